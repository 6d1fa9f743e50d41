"""What answers the API's operations on virtual keys."""

import asyncio
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from bursar.clock import format_us
from bursar.config import KeyGrant
from bursar.console.admin import ACTOR
from bursar.console.keys.operations import MOST
from bursar.console.paging import next_link, number
from bursar.console.replies import Endpoint, body_as, json_answer
from bursar.control.keybook import Issued, KeyBook, key_fields
from bursar.control.state import ControlState
from bursar.control.values import AuditEntry, Author, BadTerms
from bursar.gateway.state import Gateway
from bursar.when import parse_length


class Rotation(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a rotation."""

    overlap: str = "24h"


class KeyEndpoints:
    """Answers over one control state; what asks the database runs in a thread."""

    def __init__(self, gateway: Gateway, control: ControlState) -> None:
        self._gateway: Final = gateway
        self._control: Final = control

    def by_name(self) -> Mapping[str, Endpoint]:
        """Each operation's endpoint."""
        return {
            "keys": self.every,
            "create_key": self.create,
            "key": self.one,
            "change_key": self.change,
            "delete_key": self.delete,
            "rotate_key": self.rotate,
            "audit_log": self.audit_log,
        }

    async def every(self, request: Request) -> Response:
        """A page of keys by name."""
        query = request.query_params
        limit, after = number(query.get("limit"), "limit", most=MOST), query.get("after", "")
        is_deleted = query.get("deleted", "false") == "true"
        keys = await asyncio.to_thread(
            lambda: tuple(islice(self._book().every(after=after, with_deleted=is_deleted), limit + 1))
        )
        told = [key_fields(key, now_us=self._now_us()) for key in keys[:limit]]
        return json_answer(told, headers=next_link(request, after=told[-1]["name"]) if len(keys) > limit else {})

    async def one(self, request: Request) -> Response:
        """One key."""
        key = await asyncio.to_thread(self._book().get, _name(request))
        return json_answer(key_fields(key, now_us=self._now_us()))

    async def create(self, request: Request) -> Response:
        """Make a key."""
        grant = body_as(await request.body(), KeyGrant)
        issued = await asyncio.to_thread(self._book().create, grant, self._author())
        return self._issued(issued, status=201)

    async def change(self, request: Request) -> Response:
        """Change some terms."""
        changes = body_as(await request.body(), dict[str, Any])
        record = await asyncio.to_thread(self._book().change, _name(request), changes, self._author())
        return json_answer(key_fields(record, now_us=self._now_us()))

    async def delete(self, request: Request) -> Response:
        """End a key."""
        record = await asyncio.to_thread(self._book().delete, _name(request), self._author())
        return json_answer(key_fields(record, now_us=self._now_us()))

    async def rotate(self, request: Request) -> Response:
        """Give a key a new secret."""
        rotation = body_as(await request.body() or b"{}", Rotation)
        try:
            overlap_us = parse_length(rotation.overlap)
        except ValueError as wrong:
            raise BadTerms(f"overlap: {wrong}") from None
        name, author = _name(request), self._author()
        issued = await asyncio.to_thread(lambda: self._book().rotate(name, overlap_us=overlap_us, author=author))
        return self._issued(issued, status=200)

    async def audit_log(self, request: Request) -> Response:
        """A page of the audit log."""
        query = request.query_params
        limit = number(query.get("limit"), "limit", most=MOST)
        before = number(query["before"], "before", most=2**62) if "before" in query else None
        entries = await asyncio.to_thread(
            lambda: self._control.audit.newest(subject=query.get("subject"), before=before, limit=limit + 1)
        )
        headers = next_link(request, before=str(entries[limit - 1].id)) if len(entries) > limit else {}
        return json_answer([_entry_fields(entry) for entry in entries[:limit]], headers=headers)

    def _book(self) -> KeyBook:
        return KeyBook(self._control.keys, self._gateway.snapshot.config.keys)

    def _now_us(self) -> int:
        return self._gateway.clock.now_us()

    def _author(self) -> Author:
        return Author(ACTOR, self._now_us())

    def _issued(self, issued: Issued, *, status: int) -> Response:
        told = key_fields(issued.record, now_us=self._now_us())
        return json_answer({**told, "secret": issued.secret}, status=status)


def _name(request: Request) -> str:
    return str(request.path_params["name"])


def _entry_fields(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": format_us(entry.at_us),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "before": _json(entry.before),
        "after": _json(entry.after),
    }


def _json(text: str | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text.encode())
