"""Plain counters of one worker, read by `/metrics`. Ints on one object: no lock, no label lookup on the hot path."""


class Counts:
    """Monotonic counts since the worker started."""

    __slots__ = (
        "attempts",
        "by_outcome",
        "calls",
        "failed_reloads",
        "refusals",
        "reloads",
        "response_bytes",
        "swept",
        "unchecked",
        "unrecorded_refusals",
        "untagged",
    )

    def __init__(self) -> None:
        self.calls = 0
        self.attempts = 0
        self.response_bytes = 0
        self.swept = 0
        self.reloads = 0
        self.failed_reloads = 0
        self.unrecorded_refusals = 0
        self.unchecked = 0
        self.untagged = 0
        self.by_outcome: dict[str, int] = {}
        self.refusals: dict[str, int] = {}

    def outcome(self, name: str) -> None:
        """Count a settled attempt."""
        self.by_outcome[name] = self.by_outcome.get(name, 0) + 1

    def refusal(self, code: str) -> None:
        """Count a refused call."""
        self.refusals[code] = self.refusals.get(code, 0) + 1
