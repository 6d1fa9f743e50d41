"""One POST whose answer is only a status, over the relay's client: bounded in time, no redirect, no body read."""

import asyncio
from typing import Final

from bursar.notify.channel import NotDelivered
from bursar.upstream import Failure, Timeouts, UpstreamClient, UpstreamRequest

TIMEOUTS: Final = Timeouts(connect_s=5.0, first_byte_s=10.0, idle_s=5.0)

WITHIN_S: Final = 15.0
"""Longest a delivery takes, whatever the receiver does."""


async def post(client: UpstreamClient, request: UpstreamRequest) -> int:
    """Send a request and return the status it is answered with; raises NotDelivered."""
    answer = _Answer(asyncio.get_running_loop().create_future())
    exchange = client.send(request, answer)
    try:
        async with asyncio.timeout(WITHIN_S):
            return await answer.status
    except TimeoutError:
        raise NotDelivered(f"no answer within {WITHIN_S:g} s") from None
    finally:
        exchange.cancel()


class _Answer:
    """`ResponseHandler` that wants the status alone: what follows is cut off."""

    def __init__(self, status: asyncio.Future[int]) -> None:
        self.status = status

    def on_sent(self) -> None:
        """Nothing depends on it."""

    def on_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        if not self.status.done():
            self.status.set_result(status)

    def on_body(self, data: bytes) -> None:
        """Nobody reads it."""

    def on_complete(self) -> None:
        """The status was there before."""

    def on_failure(self, failure: Failure) -> None:
        if not self.status.done():
            self.status.set_exception(NotDelivered(failure.message))
