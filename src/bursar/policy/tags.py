"""Tags: one normalised set per request, from the key's defaults, the body's metadata and the headers.

Precedence, weakest first: key defaults, body metadata, `x-bursar-*` headers. Names are lower-case words joined by
underscores, whatever way they were spelt; values are trimmed text. `organisation`, `team` and `project` say who pays,
so a header sets them only where the key itself leaves them open.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from bursar.config import Tags
from bursar.errors import Refusal
from bursar.events import Principal

MAX_TAGS: Final = 32
MAX_NAME: Final = 64
MAX_VALUE: Final = 256

PRINCIPAL_TAGS: Final = ("organisation", "team", "project")

UNTAGGED: Final = "untagged"
"""Name of the tag that lists, on an admitted request, the required tags it lacks."""

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
    missing: tuple[str, ...] = ()
    """Required tags that were not given."""


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
        value = "".join(char for char in value if char.isprintable())
    return value[:MAX_VALUE]


def normalise(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Canonical (name, value) pairs, sorted, without those that have no name or no value; of one name the last wins.

    At most `MAX_TAGS` are kept.
    """
    merged: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name = normalise_name(raw_name)
        value = normalise_value(raw_value)
        if name and value and (len(merged) < MAX_TAGS or name in merged):
            merged[name] = value
    return tuple(sorted(merged.items()))


def tag(
    principal: Principal,
    *,
    defaults: Pairs,
    body: Pairs,
    headers: Pairs,
    rules: Tags,
) -> Tagged:
    """Merge the sources, each of them normalised, into one set and hold it against the rules.

    Raises Refusal ``missing_tags`` when a required tag is absent or a value is not allowed and the rules say reject.
    """
    merged = dict(defaults)
    for source in (body, headers):
        for name, value in source:
            if len(merged) < MAX_TAGS or name in merged:
                merged[name] = value
    principal = _with_tags(principal, merged)
    missing = _missing(principal, merged, rules) if rules.required or rules.allowed else ()
    if missing:
        if rules.on_missing == "reject":
            raise Refusal("missing_tags", _complaint(missing, rules))
        merged[UNTAGGED] = ",".join(missing)
    return Tagged(principal=principal, tags=tuple(sorted(merged.items())), missing=missing)


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


def _missing(principal: Principal, merged: Mapping[str, str], rules: Tags) -> tuple[str, ...]:
    bad = [name for name in rules.required if not _value(principal, merged, name)]
    for name, values in rules.allowed.items():
        value = _value(principal, merged, name)
        if value and value not in values and name not in bad:
            bad.append(name)
    return tuple(bad)


def _value(principal: Principal, merged: Mapping[str, str], name: str) -> str:
    if name in PRINCIPAL_TAGS:
        return str(getattr(principal, name))
    return merged.get(name, "")


def _complaint(missing: tuple[str, ...], rules: Tags) -> str:
    hints = []
    for name in missing:
        allowed = rules.allowed.get(name)
        values = f" (one of {', '.join(allowed)})" if allowed else ""
        hints.append(f"x-bursar-{name.replace('_', '-')}{values}")
    return f"This request lacks required tags. Send the header{'s' if len(hints) > 1 else ''} {', '.join(hints)}."
