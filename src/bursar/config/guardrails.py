"""The tables that keep spend from running away: budgets, limits, agent runs, and what happens when a store is down."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from bursar.config.section import Count, Name, Positive, Secret, Section, Usd

MatchValue = str | tuple[str, ...]
"""One value or several alternatives; `*` stands for any run of characters."""

FieldMatch = Annotated[dict[str, MatchValue], Meta(description="Dimensions and their values; all must match.")]

PeriodName = Literal["minute", "hour", "day", "week", "month", "rolling", "total"]

Percent = Annotated[int, Meta(ge=1, le=1000)]

THRESHOLDS: Final = (50, 80, 100)

AlertKind = Literal[
    "budget_threshold",
    "budget_exceeded",
    "budget_refusing",
    "budget_forecast",
    "task_budget_exceeded",
    "run_limit",
    "run_warning",
    "untagged_spend",
    "unpriced_usage",
    "store_down",
]
"""What alerts are about; `docs/alerts.md` explains each."""


class Budget(Section, frozen=True):
    """What may be spent, by whom, in which period. Several budgets can apply to one request; all must have room."""

    name: Name
    """Shown in refusals, reports and alerts."""
    match: FieldMatch = {}
    """Which requests it covers, by `organisation`, `team`, `project`, `key`, `provider`, `model`, `dialect`,
    `operation`, `task_type` or any tag. Empty covers every request."""
    per: tuple[str, ...] = ()
    """Dimensions of which each value has an account of its own, such as `["user"]`: the limit is then each user's.
    Requests without a value share one account."""
    parent: Name | None = None
    """Another budget that this one's spend counts against as well, whatever that one matches: an envelope that its
    children share."""
    limit_usd: Usd | None = None
    """Most that may be spent in a period. Give this or `limit_tokens`."""
    limit_tokens: Count | None = None
    """Most tokens, input and output together, that may be used in a period."""
    period: PeriodName = "month"
    """When it starts anew; `rolling` looks back over `window_s`, `total` never starts anew."""
    window_s: Positive | None = None
    """Length of a rolling period in seconds."""
    time_zone: str = "UTC"
    """Where days, weeks (from Monday) and months begin, such as `Europe/Berlin`."""
    mode: Literal["hard", "soft", "downgrade"] = "hard"
    """`hard` refuses what does not fit, before it is sent; `soft` only alerts; `downgrade` marks requests that do not
    fit, so that cheaper models are preferred."""
    thresholds: tuple[Percent, ...] = THRESHOLDS
    """Percentages of the limit at which an alert is raised, once a period each."""
    when_short: Literal["refuse", "shrink", "stop"] = "refuse"
    """What a hard budget does with a request whose most expensive outcome does not fit: refuse it, `shrink` its output
    cap to what is left (declared in `x-bursar-max-output-tokens`), or `stop` a stream where its hold ends."""
    unpriced: Literal["refuse", "allow"] = "refuse"
    """What a hard budget in USD does with a request whose cost cannot be bounded."""
    on_failure: Literal["closed", "open"] | None = None
    """Whether requests are refused (503) or admitted while the counters cannot be reached; by default hard budgets
    are closed and the others open."""
    enabled: bool = True
    """A disabled budget counts nothing."""


class Limit(Section, frozen=True):
    """How fast, how much at once and how big: for each request that matches. Exceeding one is answered with 429."""

    name: Name | None = None
    """Shown in refusals; by default `limit` and its position in the file."""
    match: FieldMatch = {}
    """Which requests it covers; as in `[[budgets]]`."""
    per: tuple[str, ...] = ()
    """Dimensions of which each value has a limit of its own, such as `["key"]`."""
    requests_per_minute: Count | None = None
    """Requests in any 60 seconds."""
    tokens_per_minute: Count | None = None
    """Tokens in any 60 seconds: estimated when a request comes in (four bytes a token, and its output cap if it states
    one), corrected by what was used."""
    concurrency: Count | None = None
    """Requests in flight at once."""
    max_input_tokens: Count | None = None
    """Largest input of one request, estimated at four bytes a token; more is answered with 413."""
    max_output_tokens: Count | None = None
    """Largest output cap of one request."""
    output_action: Literal["refuse", "shrink"] = "shrink"
    """What happens to a request that asks for more output, or states no cap: 400, or its cap is lowered."""
    max_cost_per_request_usd: Usd | None = None
    """Most that one request may cost at worst; more is answered with 402."""
    on_failure: Literal["closed", "open"] = "open"
    """Whether requests are refused (503) or admitted while the counters cannot be reached."""


class Run(Section, frozen=True):
    """Limits of agent runs: all requests that carry the same `x-bursar-task`."""

    match: FieldMatch = {}
    """Which runs it covers, by `task_type` or anything else; the first entry that matches a request applies."""
    budget_usd: Usd | None = None
    """A run's ceiling where its first request states none (`x-bursar-task-budget`)."""
    max_budget_usd: Usd | None = None
    """The highest ceiling that a request may state."""
    max_steps: Count | None = None
    """Most requests of one run."""
    max_depth: Count | None = None
    """Deepest nesting that `x-bursar-task-depth` may state; sub-agents add one."""
    max_wall_s: Positive | None = None
    """Longest time from a run's first request to its latest."""
    max_repeats: Count | None = None
    """How often a run may send the very same request body before it counts as a loop."""
    velocity_factor: Positive | None = None
    """A run that spends this many times faster than runs of its type used to (95th percentile of USD in five minutes
    over the last seven days) is running away. A type without a history of an hour of such parts is not judged."""
    velocity_floor_usd: Usd = "0.50"
    """Spend in five minutes below which no run is called running away."""
    stages: tuple[Literal["warn", "downgrade", "stop"], ...] = ("warn", "downgrade", "stop")
    """What a loop or a run-away spend rate leads to, the next stage each time it exceeds another multiple of its
    limit."""


class Alerts(Section, frozen=True):
    """When alerts are raised that no budget or run states itself."""

    tagged_percent: Annotated[int, Meta(ge=0, le=100)] = 90
    """Share of a day's known spend that must bear every tag its rules ask for; less raises `untagged_spend`. 0 never
    does."""


class Webhook(Section, frozen=True):
    """Where alerts are sent: a POST with a JSON body."""

    name: Name
    """Shown in logs and in the alert's record."""
    url: str
    """HTTP or HTTPS address."""
    secret: Secret | None = None
    """Signs each body: `x-bursar-signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`."""
    kinds: tuple[AlertKind, ...] = ()
    """Kinds of alerts to send; empty sends all."""


class Counters(Section, frozen=True):
    """Where what is spent and held is counted."""

    store: Literal["auto", "memory", "local", "redis"] = "auto"
    """`memory` for one worker, `local` a SQLite file shared by the workers of one machine, `redis` a server. `auto` is
    `memory` for one worker and `local` for several."""
    redis_url: Secret | None = None
    """The Redis or Valkey server's URL, as a secret because it may hold a password."""
    lease_s: Positive = 30.0
    """How long what a dead worker held stays held."""
