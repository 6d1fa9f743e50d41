"""The supervisor: starts the workers, starts those again that end, hands signals on, and ends last.

It serves nothing itself and knows nothing of calls. SIGINT and SIGTERM let every worker drain, a second one lets them
cut what is left, SIGHUP lets them reload. A worker that ends by itself is started again: at once if it had lived for a
while, else after a pause that grows, and during a long pause the other workers get its connections.
"""

import logging
import os
import selectors
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from bursar.clock import US_PER_S, Clock
from bursar.console.fleet import COUNTER, Family, Report, Sample
from bursar.errors import ConfigError
from bursar.wiring.board import SUPERVISOR, Board
from bursar.wiring.listen import Port
from bursar.wiring.worker import UNUSABLE
from bursar.wiring.workers import WorkerProcess, told_end

log = logging.getLogger("bursar.serve")

TURN_S: Final = 1.0
"""Longest time between two looks at the workers."""

SETTLED_US: Final = 10 * US_PER_S
"""A worker that has lived for so long is started again at once when it ends."""

LONGEST_PAUSE_S: Final = 30.0

PATIENCE_S: Final = 2.0
"""Connections wait for a worker that is away for no longer than this; they are not worth more than its start takes."""

STUCK_US: Final = 10 * US_PER_S
"""A worker that should end and has not reported for so long is killed. One that drains reports all the time."""

CUT_US: Final = 5 * US_PER_S
"""How long a worker may take to end once it was told to cut its calls."""

_STOPS: Final = frozenset({signal.SIGINT, signal.SIGTERM})


class Slot:
    """One worker's place, and its process while it has one."""

    def __init__(self, number: int) -> None:
        self.number: Final = number
        self.process: WorkerProcess | None = None
        self.started_us = 0
        self.start_at_us = 0
        """When the next process is due, while there is none."""
        self.failures = 0
        """Processes in a row that ended soon after their start."""
        self.is_ready = False
        self.remark = ""
        """What `/readyz` says while it has no process."""


class Supervisor:
    """Runs `Port.workers` workers until it is told to stop."""

    def __init__(
        self,
        port: Port,
        board: Board,
        *,
        clock: Clock,
        start: Callable[[int], WorkerProcess],
        on_ready: Callable[[], None],
    ) -> None:
        """``start`` starts the worker of a number; ``on_ready`` is called once, when all of them serve."""
        self._port: Final = port
        self._board: Final = board
        self._clock: Final = clock
        self._start: Final = start
        self._on_ready: Callable[[], None] | None = on_ready
        self._slots: Final = [Slot(number) for number in port.workers]
        self._restarts = 0
        self._has_served = False
        self._is_stopping = False
        self._cut_at_us: int | None = None

    def run(self) -> None:
        """Start the workers, look after them, return when the last one has ended.

        Raises ConfigError when a worker finds that it cannot be started before any has served.
        """
        with _signals() as wakeup, selectors.DefaultSelector() as selector:
            selector.register(wakeup, selectors.EVENT_READ)
            try:
                while not self._is_stopping or self._running():
                    self._turn(selector, wakeup)
            finally:
                for process in [slot.process for slot in self._slots if slot.process is not None]:
                    process.stop()

    def _turn(self, selector: selectors.BaseSelector, wakeup: int) -> None:
        """Do what is due, then wait for news."""
        now_us = self._clock.monotonic_us()
        if self._is_stopping:
            self._kill_stuck(now_us)
        else:
            self._start_due(selector, now_us)
        self._report(now_us)
        for key, _ in selector.select(self._rest_s(now_us)):
            if key.fd == wakeup:
                for number in os.read(wakeup, 64):
                    self._told(signal.Signals(number))
            else:
                self._hear(selector, key.data)

    def _running(self) -> list[Slot]:
        return [slot for slot in self._slots if slot.process is not None]

    def _start_due(self, selector: selectors.BaseSelector, now_us: int) -> None:
        for slot in self._slots:
            if slot.process is None and slot.start_at_us <= now_us:
                try:
                    slot.process = self._start(slot.number)
                except OSError as failed:
                    self._pause(slot, f"could not be started: {failed.strerror}", now_us)
                    continue
                slot.started_us = now_us
                slot.remark = f"w{slot.number} is starting"
                selector.register(slot.process.life, selectors.EVENT_READ, slot)

    def _hear(self, selector: selectors.BaseSelector, slot: Slot) -> None:
        process = slot.process
        if process is None:
            return
        if process.hear():
            slot.is_ready = self._has_served = True
            slot.remark = ""
            if self._on_ready is not None and all(one.is_ready for one in self._slots):
                self._on_ready()
                self._on_ready = None
            return
        selector.unregister(process.life)
        slot.process, slot.is_ready = None, False
        status = process.end()
        if self._is_stopping:
            return
        if status == UNUSABLE and not self._has_served:
            raise ConfigError(f"worker w{slot.number} cannot start; its reason is in the log above")
        now_us = self._clock.monotonic_us()
        slot.failures = 0 if now_us - slot.started_us >= SETTLED_US else slot.failures + 1
        self._pause(slot, f"(process {process.pid}) {told_end(status)}", now_us)

    def _pause(self, slot: Slot, how: str, now_us: int) -> None:
        pause_s = pause_after(slot.failures)
        self._restarts += 1
        slot.start_at_us = now_us + int(pause_s * US_PER_S)
        slot.remark = f"w{slot.number} {how}; it is started again{f' in {pause_s:g} s' if pause_s else ''}"
        log.error("worker %s", slot.remark)
        if pause_s > PATIENCE_S:
            self._port.give_up(slot.number)

    def _told(self, number: signal.Signals) -> None:
        if number is signal.SIGHUP:
            self._send(number)
        elif number not in _STOPS:
            return
        elif self._is_stopping:
            self._cut_at_us = self._clock.monotonic_us()
            self._send(signal.SIGTERM)
        else:
            self._is_stopping = True
            self._port.close()
            self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        for slot in self._running():
            if slot.process is not None:
                slot.process.send(number)

    def _kill_stuck(self, now_us: int) -> None:
        for slot in self._running():
            report = self._board.read(slot.number)
            seen_us = max(slot.started_us, report.at_us if report is not None else 0)
            is_late = self._cut_at_us is not None and now_us - self._cut_at_us > CUT_US
            if slot.process is not None and (is_late or now_us - seen_us > STUCK_US):
                log.error("worker w%d does not end; it is killed", slot.number)
                slot.process.send(signal.SIGKILL)

    def _rest_s(self, now_us: int) -> float:
        due = [(slot.start_at_us - now_us) / US_PER_S for slot in self._slots if slot.process is None]
        return TURN_S if self._is_stopping else max(min([TURN_S, *due]), 0.0)

    def _report(self, now_us: int) -> None:
        figures = (
            Family(
                "bursar_worker_restarts",
                "Workers that ended by themselves and were started again.",
                COUNTER,
                (Sample("bursar_worker_restarts_total", {}, self._restarts),),
            ),
            Family(
                "bursar_workers_ready",
                "Workers that accept connections.",
                "gauge",
                (Sample("bursar_workers_ready", {}, sum(slot.is_ready for slot in self._slots)),),
            ),
        )
        remarks = tuple(slot.remark for slot in self._slots if slot.remark)
        self._board.post(SUPERVISOR, Report("supervisor", now_us, figures, remarks=remarks))


def pause_after(failures: int) -> float:
    """Seconds before a worker is started again, after so many in a row that ended soon after their start."""
    return min(0.5 * 2.0 ** (failures - 1), LONGEST_PAUSE_S) if failures else 0.0


@contextmanager
def _signals() -> Iterator[int]:
    """A descriptor from which the numbers of the signals that arrive can be read."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    watched = (*_STOPS, signal.SIGHUP)
    before = {one: signal.signal(one, lambda *_: None) for one in watched}
    previous = signal.set_wakeup_fd(writer)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(previous)
        for one, handler in before.items():
            signal.signal(one, handler)
        os.close(reader)
        os.close(writer)
