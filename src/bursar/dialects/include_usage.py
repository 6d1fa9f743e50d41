"""Ask a streaming provider for its usage by changing as few bytes of the request as possible.

OpenAI-style streams report usage only where ``stream_options.include_usage`` is true (OpenAI API reference, "Create
chat completion", read 2026-11). The body is never serialised again: the caller's spacing, key order, number spelling
and duplicate keys stay as they were, and only the option itself is written in.
"""

from typing import Final

from bursar.dialects.fields import document
from bursar.dialects.json_spans import Member, append_member, members

CHANGE: Final = "stream_options.include_usage set, so that the stream reports its usage; the usage chunk is withheld"

_OPTION: Final = b'"include_usage":true'
_OBJECT: Final = b'"stream_options":{' + _OPTION + b"}"


def with_include_usage(body: bytes, *, has_options: bool) -> bytes | None:
    """The body with the option set, or ``None`` when the caller asks for usage already or wrote nonsense there.

    ``body`` must be a valid JSON object. ``has_options`` tells whether it has a ``stream_options`` member, however its
    name is spelled. Of duplicate members the last is changed, since that is the one JSON parsers keep.
    """
    if not has_options:
        return append_member(body, _OBJECT)
    options = _last(body, "stream_options")
    if options is None:
        return append_member(body, _OBJECT)
    value = body[options.start : options.end]
    if value == b"null":
        return _replace(body, options, b"{" + _OPTION + b"}")
    if not value.startswith(b"{"):
        return None
    return _with_option(body, options)


def _with_option(body: bytes, options: Member) -> bytes | None:
    option = _last(body, "include_usage", options.start)
    if option is None:
        value = body[options.start : options.end]
        return _replace(body, options, append_member(value, _OPTION))
    if document(body[option.start : option.end]) is True:
        return None
    return _replace(body, option, b"true")


def _replace(source: bytes, member: Member, value: bytes) -> bytes:
    return source[: member.start] + value + source[member.end :]


def _last(source: bytes, name: str, start: int = 0) -> Member | None:
    found = None
    for member in members(source, start):
        if member.name == name:
            found = member
    return found
