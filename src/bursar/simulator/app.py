"""The simulated provider as an ASGI application.

Written to the bare interface: this runs beside the gateway in load tests, where a router and a request object per call
would be measured as the provider's.
"""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from bursar.clock import Clock, SystemClock
from bursar.simulator.account import Account
from bursar.simulator.admin import admin_page
from bursar.simulator.delivery import Connection, Receive, Send
from bursar.simulator.exchange import Call
from bursar.simulator.prompt_cache import PromptCache
from bursar.simulator.serving import Serving
from bursar.simulator.settings import SimulatorSettings

Scope = MutableMapping[str, Any]


class Simulator:
    """One simulated provider; an ASGI 3 application."""

    def __init__(self, settings: SimulatorSettings, *, clock: Clock) -> None:
        self.settings = settings
        self.account = Account(
            entries=settings.account_entries,
            file=Path(settings.account_file) if settings.account_file else None,
        )
        self._clock = clock
        self._cache = PromptCache(clock)
        self._sequence = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or answer the server's lifespan events."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"the simulator speaks HTTP only, not {scope['type']}")
        call = await _read(scope, receive)
        if call is None:
            return
        if call.path.startswith("/_simulator/"):
            await _send_page(send, *admin_page(call, self.account))
            return
        self._sequence += 1
        serving = Serving(
            call=call,
            sequence=self._sequence,
            settings=self.settings,
            clock=self._clock,
            cache=self._cache,
            account=self.account,
        )
        await serving.run(Connection(scope, receive, send))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                self.account.close()
                return


def create_app(settings: SimulatorSettings | None = None, *, clock: Clock | None = None) -> Simulator:
    """A simulated provider, to be served by `bursar.simulator.serve`."""
    return Simulator(settings or SimulatorSettings(), clock=clock or SystemClock())


async def _read(scope: Scope, receive: Receive) -> Call | None:
    """The whole request; ``None`` when the caller left before it was complete."""
    parts = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    query = scope["query_string"]
    return Call(
        method=scope["method"],
        path=scope["path"],
        query=dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)) if query else {},
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        body=parts[0] if len(parts) == 1 else b"".join(parts),
    )


async def _send_page(send: Send, status: int, content_type: bytes, body: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
