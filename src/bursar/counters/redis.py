"""Counters in a Redis or Valkey server: one script for each operation, written to one connection in order.

The server may be slow, go away, come back empty, or answer late. What holds then:

- Nobody waits for longer than the timeout; while there is no connection, reservations fail at once.
- Settlements are numbered, and the server remembers the last one it counted. After a break those that it has not seen
  are sent again, each once.
- Each connection is a session of its own, and what comes late on an earlier one is not done any more. So what is known
  when a session begins stays true, and a hold whose answer was lost can be taken back.
- A server that has lost what was counted (restart without persistence, eviction) says so, and nothing is granted until
  `seed` has stated what was spent; every worker then holds again what its attempts in flight hold.

The keys of one start of the gateway share a prefix and a hash slot. They end a day after its last sign of life, and an
earlier start's are never read. The server must not evict keys of living starts (``maxmemory-policy noeviction``).
"""

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from importlib.resources import files
from typing import Final

import hiredis
import msgspec

from bursar.counters import redis_wire as wire
from bursar.counters.backlog import Backlog, Settlement
from bursar.counters.protocol import Balance, Spot
from bursar.counters.redis_link import Address, Link, WaitingLink, connect, parse_address
from bursar.errors import CountersUnavailable
from bursar.policy.claims import Account, Hold, Verdict

log: Final = logging.getLogger("bursar.counters")

TIMEOUT_S: Final = 0.25

_TTL_MS: Final = 24 * 3600 * 1000

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
"""Between attempts to connect; each pause is twice as long as the one before."""

_LATE_AT_ONCE: Final = 200
_SEEDS_AT_ONCE: Final = 500
_SWEEP_FIELDS: Final = 1_000
"""Portions that keep the server for some milliseconds."""

_SWEEP_EVERY_US: Final = 60_000_000

_FAILURES: Final = (OSError, CountersUnavailable, hiredis.HiredisError, msgspec.DecodeError)
"""What can go wrong while a session begins."""


def open_redis(
    url: str, *, start: str, worker: str, lease_us: int, loop: asyncio.AbstractEventLoop, timeout_s: float = TIMEOUT_S
) -> "RedisCounters":
    """A worker's access to the counters of one start of the gateway; connects in the background.

    ``start`` is the same for all workers of a start and never used again; ``worker`` names this process and no other
    one. Counting begins when one worker has called `seed`; until then the store is blank and nothing is granted. Raises
    ValueError for an unusable URL.
    """
    return RedisCounters(
        parse_address(url), start=start, worker=worker, lease_us=lease_us, loop=loop, timeout_s=timeout_s
    )


class RedisCounters:
    """One worker's session."""

    def __init__(
        self,
        address: Address,
        *,
        start: str,
        worker: str,
        lease_us: int,
        loop: asyncio.AbstractEventLoop,
        timeout_s: float,
    ) -> None:
        self._address = address
        self._worker = worker
        self._lease_us = lease_us
        self._loop = loop
        self._timeout_s = timeout_s
        self._keys = tuple(f"{{bursar:{start}}}:{name}" for name in ("book", "holds", "seeds"))
        self._script = files("bursar.counters").joinpath("redis_book.lua").read_bytes()
        self._digest = hashlib.sha1(self._script, usedforsecurity=False).hexdigest()
        self._waiting = WaitingLink(address, timeout_s=timeout_s)
        self._link: Link | None = None
        self._session = 0
        self._holds: dict[str, Hold] = {}
        """What was granted and is not settled."""
        self._doubtful: dict[str, Hold] = {}
        """What may have been granted: the answer was lost."""
        self._number = 0
        self._unanswered: deque[tuple[int, Settlement]] = deque()
        """Numbered settlements that were sent, in order."""
        self._backlog = Backlog()
        self._beat_us: int | None = None
        self._swept_us = 0
        self._cursor: str | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._is_ended = False
        self._connected = asyncio.Event()
        self._closed = asyncio.Event()
        self._attempt: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_blank = False
        """Whether the server answers and nothing is counted there."""
        self.trouble: str | None = "Redis is not connected yet"
        self._connect_again()

    async def connected(self) -> None:
        """Wait until reservations can be made."""
        await self._connected.wait()

    def reserve(self, hold: Hold) -> "asyncio.Future[Verdict]":
        """Hold every amount or none; the result comes with the server's answer."""
        if self._link is None:
            raise CountersUnavailable(self.trouble or "Redis is not connected")
        future: asyncio.Future[Verdict] = self._loop.create_future()
        given = wire.reserving(self._worker, self._session, hold, lease_us=self._lease_us, is_forced=False)
        self._send(partial(self._reserved, hold, future), b"reserve", given)
        return future

    def settle(self, hold: Hold, amounts: Sequence[int]) -> None:
        """Replace a hold by what was really used, now or as soon as the server is back."""
        is_held = hold.id in self._holds or hold.id in self._doubtful
        self._holds.pop(hold.id, None)
        self._doubtful.pop(hold.id, None)
        if self._link is None:
            self._backlog.add(hold, amounts, is_held=is_held)
        else:
            self._count(Settlement(hold, tuple(amounts)))

    def balances(self, accounts: Collection[Account], *, at_us: int) -> Sequence[Balance]:
        """How accounts stand; waits for the server. In a blank store nothing was spent."""
        if self._is_blank:
            return [Balance(0, 0)] * len(accounts)
        answer = self._ask(b"balances", wire.asking(tuple(accounts), at_us=at_us))
        return wire.read_balances(answer) if isinstance(answer, bytes) else []

    def seed(self, spent: Mapping[Spot, int]) -> None:
        """State what calls from before the counting began have spent, and begin to count in a blank store.

        Waits for the server.
        """
        self._ask(b"begin", wire.arguments(self._worker, _TTL_MS))
        fields = self._waiting.call("HKEYS", self._keys[2])
        before = [wire.seeded_account(one) for one in fields if one != b"epoch"] if isinstance(fields, list) else []
        spots = list(wire.by_account(spent, before).items())
        for start in range(0, len(spots), _SEEDS_AT_ONCE):
            self._ask(b"seed", wire.seeding(dict(spots[start : start + _SEEDS_AT_ONCE])))

    def beat(self, *, at_us: int) -> None:
        """Say that this worker lives; have what dead ones held returned, and unused accounts forgotten."""
        self._beat_us = at_us
        if self._link is None:
            return
        if self._cursor is None and at_us - self._swept_us > _SWEEP_EVERY_US:
            self._swept_us, self._cursor = at_us, "0"
        count = 0 if self._cursor is None else _SWEEP_FIELDS
        given = wire.arguments(self._worker, self._session, at_us, self._lease_us, _TTL_MS, self._cursor or "0", count)
        self._send(self._swept, b"beat", given)

    def close(self) -> None:
        """End: what was sent is counted, and this worker holds nothing any more."""
        self._is_ended = True
        self._connected.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._attempt is not None:
            self._attempt.cancel()
        self._waiting.close()
        if self._link is None:
            self._closed.set()
        else:
            self._send(_ignore, b"end", wire.arguments(self._worker, self._session))
            self._link.finish()

    async def closed(self) -> None:
        """Wait until all that was sent before the end is answered, or the time for that is over."""
        await self._closed.wait()
        await asyncio.sleep(0)  # the turn in which the transport lets go of its socket
        if self._attempt is not None:
            await asyncio.wait({self._attempt})

    # Answers.

    def _reserved(self, hold: Hold, future: "asyncio.Future[Verdict]", answer: object) -> None:
        if isinstance(answer, bytes):
            verdict = wire.read_verdict(answer, hold)
            if verdict.is_granted:
                self._holds[hold.id] = hold
            if not future.cancelled():
                future.set_result(verdict)
            elif verdict.is_granted:
                self.settle(hold, (0,) * len(hold.amounts))
            return
        if not isinstance(answer, hiredis.ReplyError):
            # No answer: it may be held nevertheless, and is taken back when the next session begins.
            self._doubtful[hold.id] = hold
        if not future.cancelled():
            future.set_exception(CountersUnavailable(f"Redis at {self._address.shown}: {answer}"))
        self._check(answer)

    def _settled(self, number: int, answer: object) -> None:
        if answer != b"OK":
            self._check(answer)
            return
        while self._unanswered and self._unanswered[0][0] <= number:
            self._unanswered.popleft()
        if not self._unanswered:
            self._catch_up()

    def _swept(self, answer: object) -> None:
        if not isinstance(answer, bytes):
            self._check(answer)
        elif self._cursor is not None:
            self._cursor = None if answer == b"0" else answer.decode()

    def _check(self, answer: object) -> None:
        """Give up a connection on which something unexpected was answered; the next one starts from what is known."""
        if self._link is not None and not isinstance(answer, bytes):
            self._link.lose(str(answer))

    # Sessions.

    def _connect_again(self) -> None:
        self._timer = None
        self._attempt = self._loop.create_task(self._connect(), name=f"connect {self._worker} to Redis")

    async def _connect(self) -> None:
        """Begin a session, or say why not and try again later."""
        link = None
        try:
            link = await connect(self._address, self._loop, timeout_s=self._timeout_s, on_lost=self._lost)
            self._begin(link, await self._greeting(link))
        except Exception as problem:
            # The boundary of a task: without another attempt nothing would ever be counted again.
            if not isinstance(problem, _FAILURES):
                log.exception("connecting to Redis failed in a way that nobody foresaw")
            self._is_blank = str(problem).startswith("BLANK")
            self._retry(str(problem) or type(problem).__name__)
        finally:
            if link is not None and link is not self._link:
                link.lose("no session began")

    async def _greeting(self, link: Link) -> wire.Greeting:
        await link.call("SCRIPT", "LOAD", self._script)
        answer = await link.call(*self._command(b"hello", wire.arguments(self._worker)))
        if not isinstance(answer, bytes):
            raise CountersUnavailable(f"the greeting was answered with {answer!r}")
        return wire.read_greeting(answer)

    def _begin(self, link: Link, greeting: wire.Greeting) -> None:
        """Bring the store up to what this worker knows, then take reservations."""
        if not link.is_open:
            raise CountersUnavailable("the connection broke")
        self._session, settled_to, is_known = greeting
        self._link = link
        self._number = max(self._number, settled_to)
        while self._unanswered and self._unanswered[0][0] <= settled_to:
            self._unanswered.popleft()
        if not is_known:
            for hold in self._holds.values():
                given = wire.reserving(self._worker, self._session, hold, lease_us=self._lease_us, is_forced=True)
                self._send(self._swept, b"reserve", given)
        if self._beat_us is not None:
            self.beat(at_us=self._beat_us)
        for number, settlement in self._unanswered:
            self._send_settlement(number, settlement)
        doubtful, self._doubtful = self._doubtful, {}
        for hold in doubtful.values():
            self._count(Settlement(hold, (0,) * len(hold.amounts)))
        self._catch_up()
        self._pause_s = _FIRST_PAUSE_S
        self._is_blank = False
        self.trouble = None
        self._connected.set()

    def _lost(self, link: Link, reason: str) -> None:
        if link is self._link:
            self._link = None
            self._connected.clear()
            if self._is_ended:
                self._closed.set()
            else:
                self._retry(reason)

    def _retry(self, reason: str) -> None:
        self.trouble = f"Redis at {self._address.shown}: {reason}"
        self._timer = self._loop.call_later(self._pause_s, self._connect_again)
        self._pause_s = min(_LONGEST_PAUSE_S, 2 * self._pause_s)

    # Commands.

    def _catch_up(self) -> None:
        """Count some of what is late; the rest follows when that is answered."""
        for settlement in self._backlog.take(_LATE_AT_ONCE):
            self._count(settlement)

    def _count(self, settlement: Settlement) -> None:
        self._number += 1
        self._unanswered.append((self._number, settlement))
        self._send_settlement(self._number, settlement)

    def _send_settlement(self, number: int, settlement: Settlement) -> None:
        given = wire.settling(self._worker, self._session, number, settlement.hold, settlement.amounts)
        self._send(partial(self._settled, number), b"settle", given)

    def _send(self, answer: object, operation: bytes, given: bytes) -> None:
        if self._link is not None:
            self._link.send(answer, *self._command(operation, given))  # type: ignore[arg-type]

    def _command(self, operation: bytes, given: bytes) -> tuple[str | bytes | int, ...]:
        return ("EVALSHA", self._digest, len(self._keys), *self._keys, operation, given)

    def _ask(self, operation: bytes, given: bytes) -> object:
        """Do an operation and wait for its answer; raises CountersUnavailable.

        The loop stands still meanwhile, so a server that is known not to answer is not asked.
        """
        if self._link is None and not self._is_blank:
            raise CountersUnavailable(self.trouble or "Redis is not connected")
        try:
            try:
                return self._waiting.call(*self._command(operation, given))
            except hiredis.ReplyError as problem:
                if not str(problem).startswith("NOSCRIPT"):
                    raise
                return self._waiting.call("EVAL", self._script, len(self._keys), *self._keys, operation, given)
        except hiredis.ReplyError as problem:
            raise CountersUnavailable(f"Redis at {self._address.shown}: {problem}") from problem


def _ignore(answer: object) -> None:
    """Nobody waits for it."""
