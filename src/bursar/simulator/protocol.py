"""uvicorn's HTTP protocol, with one addition: the application gets the line to the caller.

It is offered as ``scope["extensions"]["simulator.line"]``, since ASGI has no way to break a connection off, and none to
see that the caller has left without a task that waits for it.
"""

import asyncio
import socket
import struct
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LINE: Final = "simulator.line"

_LINGER_ZERO: Final = struct.pack("ii", 1, 0)


class Line:
    """The connection to one caller."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def is_gone(self) -> bool:
        """The caller has left, or the connection was reset."""
        return self._transport.is_closing()

    def reset(self) -> None:
        """Break the connection off for real: the socket lingers for zero seconds, so the peer gets RST and no FIN."""
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._transport.abort()


class LineProtocol(HttpToolsProtocol):
    """Serves HTTP/1.1 and hands the application its `Line`."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: Any = self.scope
        scope["extensions"] = {LINE: Line(self.transport)}
