"""The tables that say which labels a call must carry, for everybody and by who calls."""

from typing import Literal

from bursar.config.guardrails import FieldMatch
from bursar.config.section import Name, Section

OnMissing = Literal["reject", "mark"]


class Tags(Section, frozen=True):
    """What holds for every request, and how tags are spelt."""

    required: tuple[str, ...] = ()
    """Tag names every request needs."""
    allowed: dict[str, tuple[str, ...]] = {}
    """Allowed values by tag name; `*` stands for any run of characters. A tag is not required by having them."""
    patterns: dict[str, str] = {}
    """Regular expression by tag name, for the whole value: characters, classes, `(a|b)`, `*`, `+`, `?`, `{m,n}`. With
    `allowed` as well, a value needs to be of one of the two."""
    defaults: dict[str, str] = {}
    """Values of tags that neither the request nor its key sets."""
    aliases: dict[str, str] = {}
    """Other spellings of tag names, as in `{ cost-centre = "project" }`, in headers, body metadata and keys."""
    on_missing: OnMissing = "mark"
    """Refuse a request that lacks a tag, or has a value that is not allowed, with 400; or admit it and mark its row
    with the names in the tag `untagged`."""


class TagRule(Section, frozen=True):
    """What some requests need besides. All rules that match a request hold together: it needs every tag that one of
    them requires, and is refused if one of them says so.
    """

    name: Name | None = None
    """Shown in refusals; by default `tag-rule` and its position in the file."""
    match: FieldMatch = {}
    """Which requests it is for; as in `[[budgets]]`."""
    required: tuple[str, ...] = ()
    """Tag names these requests need."""
    allowed: dict[str, tuple[str, ...]] = {}
    """Allowed values by tag name; as in `[tags]`."""
    patterns: dict[str, str] = {}
    """Regular expression by tag name; as in `[tags]`."""
    on_missing: OnMissing = "mark"
    """As in `[tags]`. `reject` in any rule that matches, or there, wins."""
