"""The situations that are measured, and how much of each a round takes."""

from typing import Final

import msgspec

from load import Load

SLOW_PAUSE_MS: Final = 50
"""Between two chunks of a slow stream: twenty chunks a second, as models write."""


class Setting(msgspec.Struct, frozen=True):
    """One row of the report."""

    name: str
    load: Load
    tls: bool = False
    slow_load: Load | None = None
    """For contestants that cannot carry ``load`` in reasonable time; ``None`` leaves them out."""

    @property
    def is_stream(self) -> bool:
        return bool(self.load.chunks)

    def quickly(self) -> "Setting":
        """The same with a fraction of the requests: to see that everything works."""
        return msgspec.structs.replace(self, load=_less(self.load), slow_load=self.slow_load and _less(self.slow_load))


def settings() -> list[Setting]:
    """All of them: plain upstream first, then TLS."""
    plain = [
        *(_closed(connections) for connections in (1, 8, 32)),
        _open_loop(rate=200),
        _open_loop(rate=1000),
        _streams(connections=8, streams=16, chunks=400, pause_ms=2, slow=Load(connections=2, requests=2, chunks=200)),
        _streams(connections=500, streams=500, chunks=200, pause_ms=SLOW_PAUSE_MS, slow=None),
        _streams(connections=8, streams=16, chunks=400, pause_ms=2, slow=None, asks_usage=True),
    ]
    secure = [
        *(_closed(connections, tls=True) for connections in (1, 8, 32)),
        _streams(connections=500, streams=500, chunks=200, pause_ms=SLOW_PAUSE_MS, slow=None, tls=True),
    ]
    return plain + secure


def _closed(connections: int, *, tls: bool = False) -> Setting:
    return Setting(
        name=f"{'tls' if tls else 'plain'}-{connections}",
        load=Load(connections=connections, requests=2000 if connections == 1 else 5000, warmup=400 // connections),
        tls=tls,
        slow_load=None if tls else Load(connections=connections, requests=64, warmup=2),
    )


def _open_loop(*, rate: int) -> Setting:
    slow = Load(connections=32, requests=60, rate=15, warmup=1)
    return Setting(
        name=f"rate-{rate}",
        load=Load(connections=64, requests=rate * 4, rate=rate, warmup=8),
        slow_load=slow,
    )


def _streams(
    *,
    connections: int,
    streams: int,
    chunks: int,
    pause_ms: int,
    slow: Load | None,
    asks_usage: bool = False,
    tls: bool = False,
) -> Setting:
    usage = "-usage" if asks_usage else ""
    kind = "tls-streams" if tls else "streams"
    load = Load(
        connections=connections,
        requests=streams,
        chunks=chunks,
        pause_ms=pause_ms,
        asks_usage=asks_usage,
        warmup=1 if connections > 100 else 20,
    )
    slowed = msgspec.structs.replace(slow, pause_ms=pause_ms, asks_usage=asks_usage, warmup=2) if slow else None
    return Setting(name=f"{kind}-{connections}{usage}", load=load, tls=tls, slow_load=slowed)


def _less(load: Load) -> Load:
    if load.chunks:
        return msgspec.structs.replace(load, requests=load.connections)
    return msgspec.structs.replace(load, requests=max(32, load.requests // 10))
