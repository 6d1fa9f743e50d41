"""A gate: one account that a request must find room in, and the rule it stands for."""

from typing import Literal

from msgspec import Struct

from bursar.clock import format_us
from bursar.policy.claims import Account

Measure = Literal["usd", "tokens", "requests", "concurrency"]
"""What an account counts: picodollars, tokens, requests, or requests in flight."""

WhenShort = Literal["refuse", "shrink", "stop"]
"""What becomes of a request that a hard budget has no room for."""

Stage = Literal["warn", "downgrade", "stop"]


class Gate(Struct, frozen=True, eq=False):
    """An account and what its rule says about it; made once for each account and window, and shared by requests."""

    kind: Literal["budget", "limit", "run"]
    name: str
    """The rule's."""
    measure: Measure
    account: Account
    limit: int
    """The rule's limit, which the account of a soft one does not carry."""
    mode: Literal["hard", "soft", "downgrade"] = "hard"
    is_closed: bool = False
    """Whether requests are refused while the counters cannot be reached."""
    when_short: WhenShort = "refuse"
    subject: str = ""
    """Whose account it is, such as ``user=ann``; empty for one that all share."""
    resets_us: int | None = None
    """When all of its room comes back by itself; ``None`` = never, or as time goes by."""
    code: str = "budget_exceeded"
    """The refusal that a lack of room leads to."""
    hint: str = ""
    """The way out."""
    stages: tuple[Stage, ...] = ()
    """What every further multiple of ``limit`` leads to; empty where the limit itself refuses."""

    @property
    def resets(self) -> str:
        """When room comes back by itself, in words; empty where the store knows better."""
        if self.kind == "limit" or self.account.span_us:
            return ""
        return "It never resets" if self.resets_us is None else f"It resets at {format_us(self.resets_us)}"
