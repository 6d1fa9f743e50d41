"""The port that workers share."""

import socket

import pytest

from bursar.errors import ConfigError
from bursar.wiring.listen import Port


def connect(port: Port, count: int) -> list[socket.socket]:
    """So many connections to a port."""
    return [socket.create_connection(("127.0.0.1", port.number), 10) for _ in range(count)]


def waiting(port: Port, worker: int) -> int:
    """How many connections wait for a worker; they are accepted and closed."""
    listener = port.of(worker)
    listener.setblocking(False)
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_port_zero():
    """A free port is taken once, for all workers."""
    with Port("127.0.0.1", 0, workers=3) as port:
        names = {port.of(worker).getsockname() for worker in port.workers}

    assert {("127.0.0.1", port.number)} == names


def test_connections_are_spread():
    """Every worker gets some of the connections, and none is lost."""
    with Port("127.0.0.1", 0, workers=3) as port:
        connections = connect(port, 96)
        shares = [waiting(port, worker) for worker in port.workers]
        for one in connections:
            one.close()

    assert 96 == sum(shares)
    assert min(shares) > 0


@pytest.mark.parametrize("first", [1, 3])
@pytest.mark.parametrize("second", [1, 3])
def test_taken(first, second):
    """A port that is listened on is refused, however many workers share it or want to."""
    with Port("127.0.0.1", 0, workers=first) as port:
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port.number}: Address already in use"):
            Port("127.0.0.1", port.number, workers=second)


def test_free_again():
    """A closed port can be listened on again at once."""
    with Port("127.0.0.1", 0, workers=2) as port:
        number = port.number
    with Port("127.0.0.1", number, workers=2) as port:
        assert number == port.number


@pytest.mark.parametrize("worker", [1, 2])
def test_given_up(worker):
    """While a worker's socket is given up the others get its connections, and later it gets its share again."""
    with Port("127.0.0.1", 0, workers=2) as port:
        port.give_up(worker)
        before = connect(port, 32)
        others = waiting(port, 3 - worker)
        port.of(worker)
        after = connect(port, 64)
        own = waiting(port, worker)
        for one in before + after:
            one.close()

    assert 32 == others
    assert own > 0


def test_given_up_keeps_the_port():
    """A port of which one worker's socket is given up still is taken."""
    with Port("127.0.0.1", 0, workers=2) as port:
        port.give_up(1)
        with pytest.raises(ConfigError, match="already in use"):
            Port("127.0.0.1", port.number, workers=2)


def test_ipv6():
    """An address with colons is an IPv6 one."""
    with Port("::1", 0, workers=2) as port:
        socket.create_connection(("::1", port.number), 10).close()

        assert {"::1"} == {port.of(worker).getsockname()[0] for worker in port.workers}


def test_no_such_address():
    """An address that is not this machine's is named."""
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:5"):
        Port("192.0.2.1", 5)
