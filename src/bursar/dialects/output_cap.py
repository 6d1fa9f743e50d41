"""Lower a request's output cap and leave every other byte of its body as it was.

A cap is a number at a path in the body (``max_tokens``, ``generationConfig.maxOutputTokens``). Where the caller set one
it is rewritten under the caller's name, in every duplicate and every spelling, since parsers differ on which of them
counts; a number that is low enough stays. Where the caller set none it is added at the object's end.
"""

from typing import NamedTuple

import msgspec

from bursar.dialects.base import Request
from bursar.dialects.fields import document
from bursar.dialects.json_spans import append_member, members

Names = tuple[str, ...]


class Place(NamedTuple):
    """Where a format keeps its cap."""

    names: Names
    """The parameter and its other spellings; the first is added where the caller set none."""
    holders: Names = ()
    """The member of the body that holds the parameter, and its other spellings; empty for the body itself."""


def with_cap(request: Request, place: Place, tokens: int, *, may_add: bool = True) -> Request | None:
    """The same request with a cap of at most ``tokens`` for each answer; ``None`` when there is no place for one.

    ``may_add``: a cap may be added where the caller set none.
    """
    body = request.body
    edited = _in_body(body, place, tokens, may_add=may_add)
    if edited is None:
        return None
    most = tokens * request.reach.answers
    stated = most if request.max_output_tokens is None else min(most, request.max_output_tokens)
    if edited == body:
        return msgspec.structs.replace(request, max_output_tokens=stated)
    change = f"output cap set to {tokens} tokens for each answer"
    return msgspec.structs.replace(request, body=edited, max_output_tokens=stated, changes=(*request.changes, change))


def _in_body(body: bytes, place: Place, tokens: int, *, may_add: bool) -> bytes | None:
    if not place.holders:
        return _in_object(body, place.names, tokens, may_add=may_add)
    holders = [found for found in members(body) if found.name in place.holders]
    if not holders:
        if not may_add:
            return None
        holder = b'"%s":{"%s":%d}' % (place.holders[0].encode(), place.names[0].encode(), tokens)
        return append_member(body, holder)
    edited = body
    for found in reversed(holders):
        value = body[found.start : found.end]
        capped = _in_object(b"{}" if value == b"null" else value, place.names, tokens, may_add=may_add)
        if capped is None:
            return None
        edited = edited[: found.start] + capped + edited[found.end :]
    return edited


def _in_object(source: bytes, names: Names, tokens: int, *, may_add: bool) -> bytes | None:
    if not source.startswith(b"{"):
        return None
    edited = source
    caps = [member for member in members(source) if member.name in names]
    for cap in reversed(caps):
        if not _is_within(document(source[cap.start : cap.end]), tokens):
            edited = edited[: cap.start] + b"%d" % tokens + edited[cap.end :]
    if caps or not may_add:
        return edited if caps else None
    return append_member(source, b'"%s":%d' % (names[0].encode(), tokens))


def _is_within(value: object, tokens: int) -> bool:
    """Whether a cap is already low enough; Google takes numbers written as strings."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value)
    return type(value) is int and 0 < value <= tokens
