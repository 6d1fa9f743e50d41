"""One connection's clock and buffers, on a clock turned by hand: when it gives up, and how it hands a body over."""

import asyncio

import pytest

from bursar.upstream import Exchange, Origin, Timeouts
from bursar.upstream.connection import Connection
from bursar.upstream.deadlines import Deadlines
from support.clockwork import ClockworkLoop, KeptTransport
from support.exchanges import Recorder, request

ORIGIN = Origin("http", "x", 80)
TIMEOUTS = Timeouts(connect_s=1, first_byte_s=10, idle_s=5)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"
SLICE = 256 * 1024


class Owner:
    """A pool of one."""

    name = str(ORIGIN)
    max_header_bytes = 4096
    idle_s = 30.0

    def __init__(self):
        self.events = []

    def released(self, connection):
        self.events.append("released")
        connection.rest()

    def lost(self, _connection):
        self.events.append("lost")


class Bench:
    """A connection on a hand-turned clock, carrying one exchange."""

    def __init__(self, body=b"x"):
        self.loop = ClockworkLoop()
        deadlines = Deadlines(self.loop)
        self.owner = Owner()
        self.transport = KeptTransport()
        self.connection = Connection(self.loop, self.owner, deadlines)
        self.connection.connection_made(self.transport)
        self.transport.on_full = self.connection.pause_writing
        deadlines.watch(self.connection)
        self.recorder = Recorder()
        self.exchange = Exchange(request(ORIGIN, body=body, timeouts=TIMEOUTS), self.recorder)
        self.exchange.head = b"head"

    def start(self):
        self.connection.start(self.exchange)


@pytest.fixture(name="bench")
def _bench():
    return Bench()


def test_first_byte_deadline(bench):
    """Counts from the request's last byte to the complete head, however slowly that comes."""
    bench.start()
    bench.loop.advance(9)
    bench.connection.data_received(HEAD[:-1])
    bench.loop.advance(0.9)
    early = list(bench.recorder.events)
    bench.loop.advance(0.2)

    assert (early, bench.recorder.events) == (["sent"], ["sent", "failure first_byte_timeout"])
    assert bench.transport.is_aborted


def test_idle_deadline(bench):
    """Counts from the last piece of the answer: a stream may last for ever, but not fall silent."""
    bench.start()
    bench.connection.data_received(HEAD)
    for _ in range(100):
        bench.loop.advance(4.9)
        bench.connection.data_received(b"x")
    early = bench.recorder.events[-1]
    bench.loop.advance(5.1)

    assert (early, bench.recorder.events[-1]) == ("body", "failure idle_timeout")


def test_paused_deadline(bench):
    """Stands still while the caller does not want to read, and starts anew afterwards."""
    bench.start()
    bench.connection.data_received(HEAD)
    bench.exchange.pause()
    bench.connection.data_received(b"already read")
    is_reading = bench.transport.is_reading
    bench.loop.advance(1000)
    paused = bench.recorder.events[-1]
    bench.exchange.resume()
    bench.loop.advance(4.9)
    resumed = bench.recorder.events[-1]
    bench.loop.advance(0.2)

    assert (is_reading, bench.transport.is_reading) == (False, True)
    assert (paused, resumed, bench.recorder.events[-1]) == ("body", "body", "failure idle_timeout")


def test_pool_deadline(bench):
    """An idle connection expires after the pool's time, and a used one does not."""
    bench.start()
    bench.loop.advance(9)
    bench.connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    bench.loop.advance(29.9)
    early = bench.transport.is_aborted
    bench.loop.advance(0.2)

    assert (bench.owner.events, early, bench.transport.is_aborted) == (["released"], False, True)


def test_deadline_that_moved_meanwhile(bench):
    """Nothing has run out if the answer went on between the look at the clock and the call."""
    bench.start()
    bench.connection.on_deadline()

    assert (bench.recorder.events, bench.transport.is_aborted) == (["sent"], False)


def test_deadline_of_a_paused_upload():
    """A pause stops the clock of a body that is still being sent, too."""
    bench = Bench(bytes(3 * SLICE))
    bench.transport.capacity = SLICE
    bench.start()
    bench.exchange.pause()
    bench.connection.resume_writing()
    bench.loop.advance(1000)

    assert bench.recorder.events == []


def test_sending_deadline():
    """Starts anew with each slice that the transport takes."""
    bench = Bench(bytes(10 * SLICE))
    bench.transport.capacity = SLICE
    bench.start()
    for _ in range(5):
        bench.loop.advance(9)
        bench.connection.resume_writing()
    early = list(bench.recorder.events)
    bench.loop.advance(10.1)

    assert (early, bench.recorder.events) == ([], ["failure first_byte_timeout"])


def test_slices():
    """A large body is handed over no faster than the transport takes it, and `on_sent` comes with the last slice."""
    body = bytes(range(256)) * (3 * SLICE // 256) + b"rest"
    bench = Bench(body)
    bench.transport.capacity = SLICE
    bench.start()
    progress = []
    while not bench.recorder.events:
        progress.append(sum(map(len, bench.transport.written)))
        bench.connection.resume_writing()

    assert progress == [4 + SLICE, 4 + 2 * SLICE, 4 + 3 * SLICE]
    assert b"".join(bench.transport.written) == b"head" + body


def test_small_body_in_one_write(bench):
    """A small request is one write, which is one system call and one TLS record."""
    bench.start()

    assert bench.transport.written == [b"headx"]


def test_unread_write_buffer(bench):
    """A connection with bytes of the request still in its buffer is not given back."""
    bench.transport.get_write_buffer_size = lambda: 1
    bench.start()
    bench.connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    assert (bench.recorder.events[-1], bench.owner.events, bench.transport.is_aborted) == ("complete", [], True)


def test_use_before_it_is_made():
    """Is an error of ours and said so."""
    loop = ClockworkLoop()
    connection = Connection(loop, Owner(), Deadlines(loop))

    with pytest.raises(RuntimeError, match="before it was made"):
        connection.start(Exchange(request(ORIGIN), Recorder()))


def test_callbacks_after_the_end(bench):
    """What the transport still says after an abort reaches nobody."""
    bench.start()
    bench.exchange.cancel()
    bench.connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    bench.connection.eof_received()
    bench.connection.resume_writing()
    bench.connection.on_deadline()
    bench.connection.connection_lost(None)

    assert (bench.recorder.events, bench.owner.events) == (["sent"], ["lost"])


def test_protocol_kind():
    """The loop sees an ordinary streaming protocol."""
    assert issubclass(Connection, asyncio.Protocol)
