"""Which tags a request must carry, and what it lacks. Pure.

Every rule that matches a request holds, whatever their order: it needs all tags that any of them requires, each value
must be one that all of them allow, and if one of them says reject the request is refused. What is lacking does not
depend on what then happens. Fails closed: a tag without a readable value is lacking.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from bursar.config import TagRule, Tags
from bursar.errors import Refusal
from bursar.policy.globs import Patterns
from bursar.policy.match import Index
from bursar.policy.regular import Regular
from bursar.policy.rules import DIMENSIONS
from bursar.policy.tags import BUILT_IN, PRINCIPAL_TAGS, UNTAGGED, Pairs, normalise, normalise_name

_EVERYBODY: Final = "[tags]"

_NO_TAGS: Final = (frozenset(DIMENSIONS) - {*PRINCIPAL_TAGS, "task_type"}) | {UNTAGGED}
"""Facts that a request has anyway, and what only the gateway sets."""


class Values(Struct, frozen=True):
    """What a tag's value may be: one that is listed, or of the pattern; ``None`` = nothing is stated that way."""

    listed: Patterns | None = None
    pattern: Regular | None = None

    def accept(self, value: str) -> bool:
        """Whether the value is allowed."""
        return (self.listed is not None and self.listed.matches(value)) or (
            self.pattern is not None and self.pattern.matches(value)
        )

    def __str__(self) -> str:
        ways = []
        if self.listed is not None:
            ways.append(f"one of {self.listed}")
        if self.pattern is not None:
            ways.append(f"of the pattern {self.pattern.text}")
        return " or ".join(ways)


class Lack(Struct, frozen=True):
    """A tag that a request lacks, or has with a value that is not allowed."""

    name: str
    value: str
    """Empty when there is none."""
    wanted: tuple[str, ...]
    """What the value may be, in words, as each rule says it."""
    asked_by: tuple[str, ...]
    """The rules that ask for it."""

    def __str__(self) -> str:
        header = f"x-bursar-{self.name.replace('_', '-')}"
        what = f"{self.name} may not be '{self.value}'" if self.value else f"{self.name} is missing"
        wanted = f", {' and '.join(self.wanted)}" if self.wanted else ""
        return f"{what}: send {header}{wanted} (asked for by {' and '.join(self.asked_by)})"


class Lacking(Struct, frozen=True):
    """What a request lacks, by name, and what follows."""

    lacks: tuple[Lack, ...]
    is_refused: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The tags' names, sorted."""
        return tuple(lack.name for lack in self.lacks)

    def refusal(self) -> Refusal:
        """The refusal ``missing_tags`` that names each tag, its header, its values and who asks for it."""
        return Refusal("missing_tags", f"This request is not tagged as required. {'; '.join(map(str, self.lacks))}.")


class _Rule(Struct, frozen=True, eq=False):
    name: str
    required: tuple[str, ...]
    values: tuple[tuple[str, Values], ...]
    is_strict: bool


class TagRules:
    """All rules about tags, compiled once for each configuration; immutable."""

    __slots__ = ("_everybody", "_index", "aliases", "defaults", "is_empty")

    def __init__(self, tags: Tags | None = None, rules: Iterable[TagRule] = ()) -> None:
        """Compile; raises ValueError naming the rule and what is wrong with it."""
        tags = tags or Tags()
        self.aliases: Final = _aliases(tags.aliases)
        """Canonical name by other spelling."""
        everybody = self._compiled(_EVERYBODY, tags)
        self._everybody: Final = everybody
        self.defaults: Final = self._defaults(tags.defaults, everybody)
        """Tags of requests that do not have them."""
        filed = []
        for position, rule in enumerate(rules, start=1):
            name = f"[[tag_rules]] '{rule.name or f'tag-rule-{position}'}'"
            match = {self._name(one, name): value for one, value in rule.match.items()}
            filed.append((match, self._compiled(name, rule)))
        self._index: Final = Index(filed)
        self.is_empty: Final = not (filed or everybody.required or everybody.values)
        """No request can lack anything but a value of a built-in tag."""

    def lacking(self, facts: Mapping[str, str], unfit: Pairs = ()) -> Lacking | None:
        """What a request with these facts (`subject.facts_of`) lacks; ``None`` = nothing.

        ``unfit`` are built-in tags with values that they do not have, which nobody needs a rule to ask for.
        """
        rules = (self._everybody, *self._index.find(facts))
        found: dict[str, list[tuple[str, str]]] = {}
        for name, _ in unfit:
            found[name] = [(f"one of {', '.join(BUILT_IN[name])}", "every gateway")]
        for rule in rules:
            _note_lacks(rule, facts, found)
        if not found:
            return None
        values = {**facts, **dict(unfit)}
        lacks = tuple(_lack(name, values.get(name, ""), found[name]) for name in sorted(found))
        return Lacking(lacks, is_refused=any(rule.is_strict for rule in rules))

    def _compiled(self, what: str, stated: Tags | TagRule) -> _Rule:
        names = dict.fromkeys([*stated.allowed, *stated.patterns])
        values = {}
        for name in names:
            canonical = self._tag_name(name, what)
            if canonical in values:
                raise ValueError(f"{what}: values of '{canonical}' are stated under two spellings")
            values[canonical] = _values(stated, name, what)
        return _Rule(
            name=what,
            required=tuple(dict.fromkeys(self._tag_name(name, what) for name in stated.required)),
            values=tuple(values.items()),
            is_strict=stated.on_missing == "reject",
        )

    def _defaults(self, stated: Mapping[str, str], everybody: _Rule) -> Pairs:
        pairs = normalise((self._tag_name(name, _EVERYBODY), value) for name, value in stated.items())
        if len(pairs) != len(stated):
            raise ValueError(f"{_EVERYBODY}: defaults holds a tag twice, or one without a value")
        allowed = dict(everybody.values)
        for name, value in pairs:
            fits = value in BUILT_IN[name] if name in BUILT_IN else True
            if not fits or (name in allowed and not allowed[name].accept(value)):
                raise ValueError(f"{_EVERYBODY}: the default '{value}' is not an allowed value of '{name}'")
        return pairs

    def _tag_name(self, name: str, what: str) -> str:
        canonical = self._name(name, what)
        if canonical in _NO_TAGS:
            raise ValueError(f"{what}: '{name}' is not a tag that a request can carry")
        return canonical

    def _name(self, name: str, what: str) -> str:
        canonical = normalise_name(name)
        if canonical is None:
            raise ValueError(f"{what}: {name!r} cannot be the name of a tag")
        return self.aliases.get(canonical, canonical)


def _note_lacks(rule: _Rule, facts: Mapping[str, str], found: dict[str, list[tuple[str, str]]]) -> None:
    """Add, by tag, what is wanted and who asks."""
    for name in rule.required:
        if not facts.get(name):
            values = next((values for one, values in rule.values if one == name), "")
            found.setdefault(name, []).append((str(values), rule.name))
    for name, values in rule.values:
        value = facts.get(name)
        if value and not values.accept(value):
            found.setdefault(name, []).append((str(values), rule.name))


def _lack(name: str, value: str, asked: list[tuple[str, str]]) -> Lack:
    wanted = dict.fromkeys(words for words, _ in asked if words)
    if not wanted and name in BUILT_IN:
        wanted = {f"one of {', '.join(BUILT_IN[name])}": None}
    return Lack(name, value, tuple(wanted), tuple(rule for _, rule in asked))


def _values(stated: Tags | TagRule, name: str, what: str) -> Values:
    pattern = stated.patterns.get(name)
    try:
        regular = None if pattern is None else Regular(pattern)
    except ValueError as wrong:
        raise ValueError(f"{what}: '{name}': {wrong}") from None
    return Values(Patterns.of(stated.allowed[name]) if name in stated.allowed else None, regular)


def _aliases(stated: Mapping[str, str]) -> dict[str, str]:
    aliases = {}
    for spelt, name in stated.items():
        other, canonical = normalise_name(spelt), normalise_name(name)
        if other is None or canonical is None or canonical == UNTAGGED:
            raise ValueError(f"{_EVERYBODY}: aliases: {spelt!r} = {name!r} does not name a tag")
        if other in {*PRINCIPAL_TAGS, *BUILT_IN, canonical}:
            raise ValueError(f"{_EVERYBODY}: aliases: '{spelt}' is a tag of its own, or the same name as '{name}'")
        aliases[other] = canonical
    chained = sorted(aliases.keys() & set(aliases.values()))
    if chained:
        raise ValueError(f"{_EVERYBODY}: aliases: '{chained[0]}' is an alias itself; name the tag it stands for")
    return aliases
