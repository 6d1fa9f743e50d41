"""What answers the question what would become of a request."""

import asyncio
from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from bursar.console.admin import AdminToken
from bursar.console.replies import Endpoint, body_as, json_answer
from bursar.control.keybook import KeyBook
from bursar.control.state import ControlState
from bursar.errors import Refusal
from bursar.gateway.headers import CREDENTIALS, presented_key
from bursar.gateway.looking import Look, Outlook
from bursar.gateway.outlook import outlook_fields
from bursar.gateway.pipeline import Admission
from bursar.gateway.question import CheckQuestion, incoming_of
from bursar.gateway.state import Gateway
from bursar.policy.identity import Identity

_CREDENTIALS: Final = frozenset(CREDENTIALS)


class CheckEndpoints:
    """Answers over one gateway."""

    def __init__(self, gateway: Gateway, control: ControlState, admin: AdminToken) -> None:
        self._gateway: Final = gateway
        self._control: Final = control
        self._admin: Final = admin

    def by_name(self) -> Mapping[str, Endpoint]:
        """The operation's endpoint."""
        return {"check": self.check}

    async def check(self, request: Request) -> Response:
        """Look at a request."""
        asked = body_as(await request.body() or b"{}", CheckQuestion)
        identity = await self._identity(request, asked)
        gateway = self._gateway
        incoming = incoming_of(asked, gateway.clock, peer=lambda: request.client.host if request.client else None)
        found: asyncio.Future[Outlook] = gateway.loop.create_future()
        look = Look(Admission(incoming, gateway.snapshot, identity), gateway, gateway.counters, found.set_result)
        look.start(now_us=gateway.clock.monotonic_us())
        return json_answer(outlook_fields(await found))

    async def _identity(self, request: Request, asked: CheckQuestion) -> Identity | None:
        """As whom the request is looked at; ``None`` = as whoever its own headers present. Raises 401."""
        if self._admin.recognises(request):
            if asked.key is None:
                return None
            book = KeyBook(self._control.keys, self._gateway.snapshot.config.keys)
            return await asyncio.to_thread(book.identity, asked.key)
        own = {name: value for name, value in request.headers.raw if name in _CREDENTIALS}
        try:
            identity = self._gateway.snapshot.keyring.identify(presented_key(own))
            identity.check(self._gateway.clock.now_us())
        except Refusal as refusal:
            raise HTTPException(refusal.status, f"{refusal.message} The admin token is taken as well.") from None
        if asked.key is not None:
            raise HTTPException(401, "a request is looked at as another key only with the admin token")
        return identity
