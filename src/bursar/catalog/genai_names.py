"""Which names of a model the package vouches for, written out as tables.

The package matches names by clauses (equals, starts with, contains, regular expressions), loose enough to accept
``gpt-4o-audio-preview-anything``. We do not match by them when pricing. At compile time each candidate name below is
put to the clauses of *all* the provider's models, and becomes a table entry only when exactly one model claims it:

- names an ``equals`` clause spells out;
- a model's stem followed by ``-latest``;
- a stem followed by a date, whichever it is (kept as shapes, see `names`);
- for Bedrock, the literals of its clauses with the version suffixes AWS gives ids, and the ``us.`` profile of a literal
  without a geography, whose price is the listed US one. Other geographies only where a literal names them: elsewhere
  Bedrock's prices differ, and the package's ``contains`` would accept them all;
- a few names in use that no rule above produces.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from genai_prices import types

from bursar.catalog.names import DATE_TAILS, PREVIEW_TAILS, fine_tune_shape

PROBES: Final = (("2024", "01", "15"), ("2026", "10", "28"), ("2031", "12", "05"))
"""Days a shape is tried with; a clause that tells days or years apart is no rule for dated snapshots and fails one."""

BEDROCK: Final = "aws"
BEDROCK_VERSIONS: Final = ("", "-v1", "-v2", "-v1:0", "-v2:0", ":0", ":1", ":2")
"""Endings of Bedrock ids after the literal (Bedrock user guide, supported foundation models)."""
BEDROCK_REGIONAL: Final = "regional."
"""What the package puts before ids whose price holds for a region or a geography."""
BEDROCK_GEOGRAPHIES: Final = ("us.", "us-gov.", "eu.", "apac.", "au.", "jp.", "ca.", "in.", "sa.", "me.", "global.")

GOOGLE: Final = "google"
GOOGLE_VERSIONS: Final = ("-001", "-002", "-003", "-preview", "-exp")
"""Endings of stable and experimental Gemini versions (ai.google.dev, model version name patterns)."""

EXTRA_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "anthropic": ("claude-sonnet-4-20250514",),
    "openai": (
        "computer-use-preview",
        "computer-use-preview-2025-03-11",
        "gpt-3.5-turbo-instruct:20230824-v2",
        "omni-moderation-latest",
        "omni-moderation-2024-09-26",
        "text-moderation-latest",
        "text-moderation-stable",
        "text-moderation-007",
    ),
}
"""Names providers publish that only the package's loose clauses cover."""

FINE_TUNED: Final[Mapping[str, tuple[str, ...]]] = {
    "openai": (
        "gpt-3.5-turbo-0125",
        "gpt-3.5-turbo-0613",
        "gpt-3.5-turbo-1106",
        "gpt-4o-2024-08-06",
        "gpt-4o-mini-2024-07-18",
    ),
}
"""Base models of fine-tunes the package has prices for; others, such as gpt-4.1's, have none in it."""

FOLDED: Final = frozenset({"azure"})
"""Providers that compare names without regard to case: Azure deployment and model names are case-insensitive."""

_LATEST: Final = "-latest"


class NameRules:
    """The package's match clauses, arranged for asking which models claim a name."""

    def __init__(self, providers: Sequence[types.Provider]) -> None:
        self._providers = {one.id: one for one in providers}
        self._equals: dict[str, dict[str, list[types.ModelInfo]]] = {}
        self._open: dict[str, list[types.ModelInfo]] = {}
        for provider in providers:
            equals: dict[str, list[types.ModelInfo]] = defaultdict(list)
            for model in provider.models:
                if _is_closed(model.match):
                    for literal in _literals(model.match):
                        equals[literal.lower()].append(model)
            self._equals[provider.id] = dict(equals)
            self._open[provider.id] = [one for one in provider.models if not _is_closed(one.match)]

    def folded(self) -> tuple[str, ...]:
        """Providers whose ids are compared without regard to case.

        Besides `FOLDED` those whose ids hold capitals: the package compares in lower case and so cannot tell whether
        capitals matter there, and routers hand such ids on in either spelling.
        """
        capitals = {one.id for one in self._providers.values() if any(m.id != m.id.lower() for m in one.models)}
        return tuple(sorted(capitals | FOLDED))

    def is_claimed(self, providers: Iterable[str], name: str) -> bool:
        """Whether any model of these providers claims the name."""
        return any(self._claimants(provider, name) for provider in providers)

    def aliases(self, provider: str, model: types.ModelInfo) -> tuple[str, ...]:
        """Names other than its id that this model, and no other, claims."""
        candidates = {name for name in _candidates(provider, model) if name != model.id}
        return tuple(
            sorted(
                name for name in candidates if model.is_match(name) and self._claimants(provider, name) == [model.id]
            )
        )

    def shapes(self, provider: str, model: types.ModelInfo) -> tuple[str, ...]:
        """Dated names, the date masked, that this model, and no other, claims."""
        if _is_closed(model.match):
            return ()
        shapes = {stem + tail for stem in _stems(model) for tail in _tails(provider)}
        shapes |= {fine_tune_shape(base) for base in FINE_TUNED.get(provider, ())}
        return tuple(sorted(shape for shape in shapes if self._is_claimed_whole(provider, model, shape)))

    def _is_claimed_whole(self, provider: str, model: types.ModelInfo, shape: str) -> bool:
        days = list(_days_of(shape))
        return all(model.is_match(day) for day in days) and all(
            self._claimants(provider, day) == [model.id] for day in days
        )

    def _claimants(self, provider: str, name: str) -> list[str]:
        closed = self._equals[provider].get(name.lower(), [])
        claimed = [one.id for one in closed]
        return claimed + [one.id for one in self._open[provider] if one.is_match(name)]


def a_day_of(shape: str) -> str:
    """Some name of this shape."""
    return next(_days_of(shape))


def _candidates(provider: str, model: types.ModelInfo) -> Iterator[str]:
    yield from _literals(model.match, kind=types.ClauseEquals)
    yield from EXTRA_NAMES.get(provider, ())
    for stem in _stems(model):
        yield stem + _LATEST
        if provider == GOOGLE:
            yield from (stem + ending for ending in GOOGLE_VERSIONS)
    if provider == BEDROCK:
        yield from _bedrock_ids(model)


def _bedrock_ids(model: types.ModelInfo) -> Iterator[str]:
    for literal in (model.id.removeprefix(BEDROCK_REGIONAL), *_literals(model.match)):
        name = literal.lstrip("/")
        for ending in BEDROCK_VERSIONS:
            yield name + ending
            if "." in name and not name.startswith(BEDROCK_GEOGRAPHIES):
                yield f"us.{name}{ending}"


def _stems(model: types.ModelInfo) -> set[str]:
    """Names a date or ``-latest`` may follow: the id, and the literals that are whole names."""
    names = {model.id, *_literals(model.match)}
    return {name.removesuffix(_LATEST) for name in names if name[0].isalnum() and name[-1].isalnum()}


def _tails(provider: str) -> tuple[str, ...]:
    """Masked dates as this provider ends its names."""
    match provider:
        case "aws":
            return tuple(f"-YYYYMMDD{ending}" for ending in BEDROCK_VERSIONS)
        case "google":
            return DATE_TAILS + PREVIEW_TAILS
        case _:
            return DATE_TAILS


def _days_of(shape: str) -> Iterator[str]:
    for year, month, day in PROBES:
        yield shape.replace("YYYY", year).replace("MM", month).replace("DD", day).replace("*", f"org:name:{day}")


def _literals(clause: object, *, kind: type | None = None) -> list[str]:
    """The strings that a clause and its parts spell out."""
    match clause:
        case types.ClauseOr():
            return [text for part in clause.or_ for text in _literals(part, kind=kind)]
        case types.ClauseEquals(equals=text):
            return [text]
        case (
            types.ClauseStartsWith(starts_with=text)
            | types.ClauseContains(contains=text)
            | types.ClauseEndsWith(ends_with=text)
        ):
            return [text] if kind is None else []
        case types.ClauseAnd():
            return [text for part in clause.and_ for text in _literals(part, kind=kind)]
        case _:
            return []


def _is_closed(clause: object) -> bool:
    """Whether a clause accepts nothing but the names it spells out."""
    if isinstance(clause, types.ClauseOr):
        return all(_is_closed(part) for part in clause.or_)
    return isinstance(clause, types.ClauseEquals)
