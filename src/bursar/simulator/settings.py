"""What a simulated provider can be told: seed, pace, faults, keys, where to keep its account."""

from typing import Annotated

from msgspec import Meta, Struct

Rate = Annotated[float, Meta(ge=0, le=1)]
"""A share of requests."""

Milliseconds = Annotated[float, Meta(ge=0)]


class SimulatorSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One simulated provider. The defaults are a healthy provider at a plausible pace that accepts any key."""

    seed: int = 0
    """Everything that is drawn by lot follows from it."""
    latency_scale: Annotated[float, Meta(ge=0)] = 1.0
    """Multiplies every wait; 0 answers at once."""
    first_token_ms: Milliseconds = 350.0
    """Median time to the first token, before scaling."""
    first_token_sigma: Annotated[float, Meta(ge=0)] = 0.4
    """Spread of the time to the first token (standard deviation of its logarithm)."""
    token_ms: Milliseconds = 12.0
    """Median time a token takes after the first, before scaling; one draw for each answer."""
    token_sigma: Annotated[float, Meta(ge=0)] = 0.3
    """Spread of the token time."""
    slow_first_byte_ms: Milliseconds = 5_000.0
    """Extra wait of the fault `slow-first-byte`; it is not scaled."""
    answer_tokens: Annotated[int, Meta(ge=1)] = 120
    """Median length of an answer whose length nothing else decides."""
    answer_sigma: Annotated[float, Meta(ge=0)] = 0.7
    """Spread of the answers' length."""
    error_rate: Rate = 0.0
    """Share of requests answered with a server error."""
    rate_limit_rate: Rate = 0.0
    """Share of requests answered with 429."""
    slow_first_byte_rate: Rate = 0.0
    """Share of requests whose answer starts late."""
    reset_rate: Rate = 0.0
    """Share of requests whose connection is reset in the middle of the answer."""
    malformed_usage_rate: Rate = 0.0
    """Share of answers whose usage object is nonsense."""
    missing_usage_rate: Rate = 0.0
    """Share of answers without a usage object."""
    retry_after_s: Annotated[int, Meta(ge=0)] = 1
    """What a rate limit says in `retry-after`."""
    api_keys: tuple[str, ...] = ()
    """Credentials that are accepted (an access key id for Bedrock); empty accepts every caller."""
    account_file: str | None = None
    """Where entries of the account are appended as JSON lines."""
    account_entries: Annotated[int, Meta(ge=1)] = 100_000
    """How many entries are kept in memory; the oldest go first, the totals keep counting."""
