"""Tags: one normalised set per request, from the key's defaults, the body's metadata and the headers.

Precedence, weakest first: the gateway's defaults, the key's, body metadata, `x-bursar-*` headers. Names are lower-case
words joined by underscores, whatever way they were spelt; values are trimmed text. `organisation`, `team` and `project`
say who pays, so a header sets them only where the key itself leaves them open. What a request must carry is stated by
`tag_rules`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from bursar.events import Principal

MAX_TAGS: Final = 32
MAX_NAME: Final = 64
MAX_VALUE: Final = 256

PRINCIPAL_TAGS: Final = ("organisation", "team", "project")

UNTAGGED: Final = "untagged"
"""Name of the tag that lists, on an admitted request, the tags it lacks; no caller can set it."""

BUILT_IN: Final[Mapping[str, tuple[str, ...]]] = {
    "traffic": ("user-facing", "background"),
    "workload": ("production", "experiment", "background"),
}
"""Tags that policy goes by, and the only values each of them has: whether somebody waits for the answer, and what kind
of work it is for."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.]*")
_ALIASES: Final[Mapping[str, str]] = {
    "organization": "organisation",
    "org": "organisation",
    "env": "environment",
    "user_id": "user",
    "customer_id": "customer",
    "usecase": "use_case",
}


Pairs = tuple[tuple[str, str], ...]
"""Normalised tags, sorted by name; see `normalise`."""


class Tagged(Struct, frozen=True):
    """The outcome of tagging: who pays, and the sorted tags."""

    principal: Principal
    tags: Pairs
    unfit: Pairs = ()
    """Built-in tags with a value that they do not have, and which were therefore left out."""


def normalise_name(name: str) -> str | None:
    """A tag's canonical name (`Use-Case` becomes `use_case`), or ``None`` when it cannot be one."""
    canonical = name.strip().lower().replace("-", "_").replace(" ", "_")
    canonical = _ALIASES.get(canonical, canonical)
    if len(canonical) > MAX_NAME or not _NAME.fullmatch(canonical):
        return None
    return canonical


def normalise_value(value: str) -> str:
    """A tag's canonical value: trimmed, printable, at most `MAX_VALUE` characters."""
    value = value.strip()
    if not value.isprintable():
        value = "".join(char for char in value if char.isprintable()).strip()
    return value[:MAX_VALUE].rstrip()


def normalise(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """Canonical (name, value) pairs, sorted, without those that have no name or no value; of one name the last wins.

    At most `MAX_TAGS` are kept. Values of the built-in tags are lower-case words joined by dashes.
    """
    merged: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name = normalise_name(raw_name)
        value = normalise_value(raw_value)
        if name and value and (len(merged) < MAX_TAGS or name in merged):
            merged[name] = _word(value) if name in BUILT_IN else value
    return tuple(sorted(merged.items()))


def tag(
    principal: Principal,
    *,
    defaults: Pairs,
    body: Pairs,
    headers: Pairs,
    fallbacks: Pairs = (),
    aliases: Mapping[str, str] | None = None,
) -> Tagged:
    """Merge the sources, each of them normalised, into one set.

    ``defaults`` are the key's and ``fallbacks`` the gateway's; ``aliases`` are canonical names by other spellings, of
    which ``fallbacks`` has none. Where a request has too many tags, those with a default stay, and headers come before
    the body.
    """
    if aliases:
        defaults, body, headers = (renamed(source, aliases) for source in (defaults, body, headers))
    merged = dict(fallbacks)
    merged.update(defaults)
    if len(merged) + len(body) + len(headers) <= MAX_TAGS:
        merged.update(body)
        merged.update(headers)
    else:
        _crowd(merged, body, headers)
    merged.pop(UNTAGGED, None)
    unfit = () if BUILT_IN.keys().isdisjoint(merged) else _without_unfit(merged)
    principal = _with_tags(principal, merged)
    return Tagged(principal, tuple(sorted(merged.items())), unfit)


def renamed(pairs: Pairs, aliases: Mapping[str, str]) -> Pairs:
    """The same tags with aliases in place of other spellings; a tag under its own name wins over one under another."""
    if not any(name in aliases for name, _ in pairs):
        return pairs
    merged = {aliases[name]: value for name, value in pairs if name in aliases}
    merged.update((name, value) for name, value in pairs if name not in aliases)
    return normalise(merged.items())


def marked(tags: Pairs, lacking: Iterable[str]) -> Pairs:
    """Tags with the names of those that are lacking."""
    return tuple(sorted([*tags, (UNTAGGED, ",".join(lacking))]))


def _crowd(merged: dict[str, str], body: Pairs, headers: Pairs) -> None:
    """Let in as many as there is room for; a name that is in already may change its value."""
    given = dict(headers)
    for name, value in body:
        given.setdefault(name, value)
    for name, value in given.items():
        if len(merged) < MAX_TAGS or name in merged:
            merged[name] = value


def _word(value: str) -> str:
    """A built-in tag's value however it was spelt: lower case, dashes between words."""
    return normalise_value(value.lower().replace("_", "-").replace(" ", "-"))


def _without_unfit(merged: dict[str, str]) -> Pairs:
    unfit = [(name, merged[name]) for name, values in BUILT_IN.items() if name in merged and merged[name] not in values]
    for name, _ in unfit:
        del merged[name]
    return tuple(unfit)


def _with_tags(principal: Principal, merged: dict[str, str]) -> Principal:
    organisation = merged.pop("organisation", "")
    team = merged.pop("team", "")
    project = merged.pop("project", "")
    if not (organisation or team or project):
        return principal
    return Principal(
        organisation=principal.organisation or organisation,
        team=principal.team or team,
        project=principal.project or project,
        key=principal.key,
    )
