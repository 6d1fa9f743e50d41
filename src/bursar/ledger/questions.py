"""What can be asked of the ledger, and the shape of each answer: frozen values that also cross the socket.

Money is integer picodollars and may exceed 64 bits in sums. In every answer ``None`` means unknown: a group whose cost
is ``None`` has usage and no known price, which is not the same as a cost of 0.
"""

from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar

from msgspec import Struct

from bursar.errors import BursarError
from bursar.events import Part
from bursar.ledger.row import PROMOTED_TAGS
from bursar.price import CostLine


class QuestionError(BursarError):
    """The question cannot be answered as asked; the message names what is valid."""


COLUMN_DIMENSIONS: Final = (
    "organisation",
    "team",
    "project",
    "key",
    *PROMOTED_TAGS,
    "provider",
    "model",
    "requested_model",
    "dialect",
    "operation",
    "outcome",
    "status",
    "error",
    "price_status",
    "usage_status",
    "service_tier",
    "stream",
    "task",
    "task_type",
    "card",
    "catalog",
    "config",
)
"""Dimensions with a column of their own. ``model`` is the one that served, or the requested one where none is named."""

TIME_DIMENSIONS: Final = ("hour", "day", "week", "month")
"""UTC buckets of the admission time; weeks are ISO weeks and start on Monday."""

TAG_PREFIX: Final = "tag:"
"""Reaches a tag by name even where a column has the same name, or where no row carries it yet."""

Value = str | int | bool | None
"""A dimension's value; ``None`` = not set or not known."""


class Measures(Struct, frozen=True, kw_only=True):
    """The sums of a report row.

    ``requests`` counts calls; everything else counts or sums attempts, so that nothing a retry cost or left unknown is
    hidden.
    """

    requests: int = 0
    """Client calls: first attempts."""
    attempts: int = 0
    errors: int = 0
    """Attempts that ended as error, timeout, reset, cut or interrupted."""
    refused_requests: int = 0
    """Never sent to a provider."""
    unpriced_requests: int = 0
    """Attempts whose cost is unknown, interrupted ones included: what ``cost`` lacks."""
    interrupted_requests: int = 0
    """Attempts whose process died; they may have cost up to ``interrupted_bound``."""
    estimated_requests: int = 0
    """Attempts whose usage was counted on the wire because the provider's own figures did not arrive."""
    inconsistent_requests: int = 0
    """Attempts whose provider contradicted itself about usage."""
    untagged_requests: int = 0
    """Calls that were sent without a tag that their rules ask for."""
    cost: int | None = 0
    """Sum of the known costs; ``None`` when there is something to bill and none of it has a known cost."""
    list_cost: int | None = 0
    """The same at list price."""
    untagged_cost: int = 0
    """The known cost of attempts that lack such a tag."""
    provider_cost: int = 0
    """What providers themselves said they charged, where they said so."""
    interrupted_bound: int = 0
    """The most that interrupted attempts may have cost."""
    input_tokens: int = 0
    """All tokens sent in, cached or not."""
    cached_input_tokens: int = 0
    """Of these, read from a provider's cache."""
    cache_write_tokens: int = 0
    """Of these, written to a provider's cache."""
    output_tokens: int = 0
    """All tokens produced, reasoning included."""
    reasoning_tokens: int = 0
    searches: int = 0


class ReportRow(Struct, frozen=True):
    """One group of a report."""

    group: tuple[Value, ...]
    """Values in the order of the question's ``by``. Time buckets are text: 2026-11-22T05:00Z, 2026-11-22, 2026-W47,
    2026-11."""
    measures: Measures


A = TypeVar("A")


class Question(Struct, Generic[A], frozen=True, kw_only=True):
    """Base of the questions; ``A`` is the type of the answer."""


class ReportQuestion(Question["Report"], frozen=True, kw_only=True, tag="report"):
    """Sums over a window, grouped."""

    by: tuple[str, ...] = ()
    """Dimensions: `COLUMN_DIMENSIONS`, `TIME_DIMENSIONS` or any tag's name."""
    since_us: int | None = None
    """First instant, Unix microseconds UTC; ``None`` = from the beginning."""
    until_us: int | None = None
    """First instant after the window; ``None`` = no end."""
    filters: tuple[tuple[str, str], ...] = ()
    """(dimension, value as text): values of one dimension are alternatives, dimensions must all match; an empty value
    matches what is not set."""
    order: str | None = None
    """A measure (largest first) or a dimension (smallest first). Default: time first if grouped by time, else cost."""
    limit: int | None = None
    """Most groups returned; the total covers all of them."""


class Report(Struct, frozen=True):
    """The answer to a `ReportQuestion`."""

    by: tuple[str, ...]
    rows: tuple[ReportRow, ...]
    total: Measures
    """Over every group of the window, also those past the limit."""
    groups: int
    """How many groups there are without the limit."""
    lacks_before_us: int | None = None
    """Set when the window reaches into days whose rows were dropped and the hourly sums cannot answer: of what lies
    before this instant, some or all is missing."""


class AttemptRow(Struct, frozen=True, kw_only=True):
    """One ledger row, as people read it."""

    call_id: str
    attempt: int
    revision: int
    kind: str
    """``attempt``, ``reversal`` or ``restatement``; of those that are no reversal, the highest revision holds."""
    at_us: int
    recorded_us: int
    organisation: str
    team: str
    project: str
    key: str
    tags: dict[str, str]
    """Every tag but those of the principal."""
    task: str | None
    task_type: str | None
    dialect: str
    operation: str
    provider: str
    requested_model: str | None
    model: str | None
    stream: bool
    outcome: str
    status: int | None
    error: str | None
    service_tier: str | None
    response_id: str | None
    provider_request_id: str | None
    usage: dict[str, int]
    """Quantity by meter name."""
    usage_status: str
    price_status: str
    cost: int | None
    list_cost: int | None
    provider_cost: int | None
    bound: int | None
    card: str | None
    catalog: str
    price_list: str | None
    """The catalog provider it is charged by; ``None`` where nothing was sent, and in rows from before it was kept."""
    conditions: tuple[tuple[str, str], ...]
    """The facts that chose among the card's variants."""
    parts: tuple[Part, ...]
    """Where several models answered together, what each of them used."""
    config: str
    lines: tuple[CostLine, ...]
    decisions: tuple[str, ...]
    raw_usage: str | None
    sent_us: int | None
    first_byte_us: int | None
    last_byte_us: int | None
    total_us: int | None
    request_bytes: int
    response_bytes: int


class ExplainQuestion(Question["Explanation"], frozen=True, kw_only=True, tag="explain"):
    """Everything about one call."""

    call_id: str
    """The call's id, or a provider's response id."""


class Explanation(Struct, frozen=True):
    """The answer to an `ExplainQuestion`."""

    rows: tuple[AttemptRow, ...]
    """By attempt and revision; empty when the ledger knows no such call."""
    in_flight: tuple[int, ...] = ()
    """Attempts that are open and not settled."""

    @property
    def present(self) -> tuple[AttemptRow, ...]:
        """The row of each attempt that holds now."""
        latest = {row.attempt: row for row in self.rows if row.kind != "reversal"}
        return tuple(latest[attempt] for attempt in sorted(latest))


class NewestQuestion(Question["Newest"], frozen=True, kw_only=True, tag="newest"):
    """The newest attempts, newest first."""

    limit: int = 100
    filters: tuple[tuple[str, str], ...] = ()
    """As in `ReportQuestion`."""
    before_us: int | None = None
    """Only attempts admitted before this instant."""
    after: tuple[int, str, int] | None = None
    """(at_us, call id, attempt) of the last row of the page before: several attempts share an instant."""


class Newest(Struct, frozen=True):
    """The answer to a `NewestQuestion`."""

    rows: tuple[AttemptRow, ...]


class SummaryQuestion(Question["Summary"], frozen=True, kw_only=True, tag="summary"):
    """The figures of a first page."""

    now_us: int
    top: int = 10


class Summary(Struct, frozen=True):
    """The answer to a `SummaryQuestion`. "Week" is the last seven UTC days, today included."""

    today: Measures
    week: Measures
    by_day: tuple[ReportRow, ...]
    by_team: tuple[ReportRow, ...]
    by_feature: tuple[ReportRow, ...]
    by_model: tuple[ReportRow, ...]
    newest: tuple[AttemptRow, ...]


class CandidatesQuestion(Question["CandidatesPage"], frozen=True, kw_only=True, tag="reprice_candidates"):
    """Present rows in order of admission, a page at a time, for repricing."""

    since_us: int = 0
    until_us: int | None = None
    only_unpriced: bool = False
    after: tuple[int, str, int] | None = None
    """(at_us, call id, attempt) of the last row of the page before."""
    limit: int = 1000


class CandidatesPage(Struct, frozen=True):
    """One page of present rows; ask again after the last one until a page comes back empty."""

    rows: tuple[AttemptRow, ...]


class ChargesQuestion(Question["Charges"], frozen=True, kw_only=True, tag="charges"):
    """What attempts count against budgets, by groups.

    An attempt counts its present cost or, where that is unknown, the most it may have cost; the same goes for tokens.
    Refused and interrupted attempts count nothing.
    """

    by: tuple[str, ...] = ()
    """Dimensions: `COLUMN_DIMENSIONS` or any tag as `TAG_PREFIX` and its name."""
    since_us: int | None = None
    """First instant of admission; ``None`` = from the beginning."""
    until_us: int | None = None
    """First instant after the window; ``None`` = no end."""
    bucket_us: int | None = None
    """Cuts time into parts of this length, counted from the epoch; ``None`` = one part."""
    must_have: tuple[str, ...] = ()
    """Only attempts for which these dimensions are set."""
    active_since_us: int | None = None
    """Only groups with an attempt that was admitted from then on."""
    counted: tuple[str, ...] = ()
    """Digests of configurations. Attempts admitted under one of them count only by how corrections changed them."""


class Charge(Struct, frozen=True):
    """What the attempts of one group count in one part of time."""

    group: tuple[str, ...]
    """Values in the order of the question's ``by``, as text; empty = not set."""
    bucket: int
    """Number of the part of time: instant // ``bucket_us``; 0 without parts."""
    pico: int
    tokens: int
    attempts: int
    """Attempts that were sent."""


class Charges(Struct, frozen=True):
    """The answer to a `ChargesQuestion`."""

    rows: tuple[Charge, ...]
    unread_bytes: int = 0
    """Written by workers that have ended and not yet loaded: above 0, charges may be missing."""
    lacks_before_us: int | None = None
    """As in `Report`."""


class VelocitiesQuestion(Question["Velocities"], frozen=True, kw_only=True, tag="velocities"):
    """How fast agent runs of each type spend: a percentile of what one run spends in one part of time.

    Only parts in which a run spent something count, and a cost that is unknown counts as in a `ChargesQuestion`.
    """

    since_us: int
    """First instant of admission."""
    part_us: int
    """Length of a part of time, counted from the epoch."""
    percent: int
    """The percentile: so many of a hundred parts saw at most that spend."""
    at_least: int = 1
    """Fewer parts are no history."""


class Velocity(Struct, frozen=True):
    """How fast runs of one type spend."""

    task_type: str
    """Empty for runs without a type."""
    pico: int
    parts: int
    """Parts of time it was taken from."""


class Velocities(Struct, frozen=True):
    """The answer to a `VelocitiesQuestion`."""

    rows: tuple[Velocity, ...]


class HealthQuestion(Question["Health"], frozen=True, kw_only=True, tag="health"):
    """The state of the ledger itself."""


class StoreHealth(Struct, frozen=True):
    """How much a store holds."""

    rows: int
    rollup_rows: int
    segments: int
    bytes: int


class Health(Struct, frozen=True, kw_only=True):
    """The answer to a `HealthQuestion`. Everything under "trouble" should be 0 or empty."""

    store: StoreHealth
    segments: int
    spool_files: int
    unread_bytes: int
    """Written by workers and not yet loaded."""
    in_flight: int
    """Attempts opened and not settled."""
    waiting_corrections: int
    """Trouble: corrections whose row has never been seen."""
    duplicates: int
    """Records that came twice and were counted once."""
    expired: int
    """Trouble: records that came after their day had been dropped."""
    damage: tuple[str, ...]
    """Trouble: bytes that could not be understood, and where they are kept."""
    unreadable: tuple[str, ...]
    """Trouble: files of living workers that cannot be read further at the moment."""
    dropped_before: str
    """Rows of days before this one were dropped by retention; empty when none were."""


AnyQuestion = (
    ReportQuestion
    | ExplainQuestion
    | NewestQuestion
    | SummaryQuestion
    | CandidatesQuestion
    | ChargesQuestion
    | VelocitiesQuestion
    | HealthQuestion
)
ANSWERS: Final[Mapping[type[Question[Any]], type[Struct]]] = {
    ReportQuestion: Report,
    ExplainQuestion: Explanation,
    NewestQuestion: Newest,
    SummaryQuestion: Summary,
    CandidatesQuestion: CandidatesPage,
    ChargesQuestion: Charges,
    VelocitiesQuestion: Velocities,
    HealthQuestion: Health,
}
"""The type of each question's answer, for decoding."""

Answer = Report | Explanation | Newest | Summary | CandidatesPage | Charges | Velocities | Health
