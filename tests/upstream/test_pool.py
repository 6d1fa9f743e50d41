"""The pool's decisions, against a plain model of what they should be."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bursar.upstream.pool import OriginPool

LIMIT = 3


class PoolMachine(RuleBasedStateMachine):
    """Exchanges come, connections open, are given back, are discarded and die, in any order."""

    def __init__(self):
        super().__init__()
        self.pool = OriginPool(LIMIT)
        self.names = iter(range(10**6))
        self.opening = []
        self.busy = []
        self.idle = []
        self.doomed = []
        self.queue = []

    @rule()
    def ask(self):
        """An exchange takes the connection used last, else a slot, else the end of the queue."""
        connection = self.pool.take_idle()
        assert connection == (self.idle.pop() if self.idle else None)
        if connection is not None:
            self.busy.append(connection)
            return
        slots = len(self.opening) + len(self.busy) + len(self.doomed)
        exchange = next(self.names)
        assert self.pool.take_slot() == (slots < LIMIT)
        if slots < LIMIT:
            self.opening.append(exchange)
        else:
            self.pool.enqueue(exchange)
            self.queue.append(exchange)

    @precondition(lambda self: self.opening)
    @rule(data=st.data())
    def opened(self, data):
        """A connection is ready."""
        self.opening.remove(data.draw(st.sampled_from(self.opening)))
        self.busy.append(next(self.names))

    @precondition(lambda self: self.busy)
    @rule(data=st.data())
    def answered(self, data):
        """A connection given back serves the first in the queue, else becomes idle."""
        connection = data.draw(st.sampled_from(self.busy))
        assert self.pool.give_back(connection) == (self.queue.pop(0) if self.queue else None)
        if self.pool.idle_count > len(self.idle):
            self.busy.remove(connection)
            self.idle.append(connection)

    @precondition(lambda self: self.busy + self.idle)
    @rule(data=st.data())
    def broken(self, data):
        """A discarded connection is never handed out again, but keeps its slot."""
        connection = data.draw(st.sampled_from(self.busy + self.idle))
        self.pool.discard(connection)
        (self.busy if connection in self.busy else self.idle).remove(connection)
        self.doomed.append(connection)

    @precondition(lambda self: self.doomed + self.opening)
    @rule(data=st.data())
    def gone(self, data):
        """A slot that falls free goes to the first in the queue."""
        gone = data.draw(st.sampled_from(self.doomed + self.opening))
        (self.doomed if gone in self.doomed else self.opening).remove(gone)
        served = self.pool.free_slot()
        assert served == (self.queue.pop(0) if self.queue else None)
        if served is not None:
            self.opening.append(served)

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def left(self, data):
        """An exchange that leaves the queue is never served."""
        exchange = data.draw(st.sampled_from(self.queue))
        self.queue.remove(exchange)
        self.pool.leave(exchange)

    @invariant()
    def counts(self):
        """The counts are the model's, and nothing waits while anything is idle or a slot is free."""
        slots = len(self.opening) + len(self.busy) + len(self.doomed) + len(self.idle)
        assert (self.pool.open_count, self.pool.idle_count, self.pool.waiting_count) == (
            slots,
            len(self.idle),
            len(self.queue),
        )
        assert slots <= LIMIT
        assert not self.queue or (not self.idle and slots == LIMIT)


TestPool = PoolMachine.TestCase
