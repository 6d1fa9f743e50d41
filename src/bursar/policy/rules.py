"""Budgets, limits and agent-run rules, compiled once for each configuration and looked up for each request."""

import copy
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from bursar.clock import US_PER_S
from bursar.config import Budget, Limit, Run
from bursar.money import parse_usd
from bursar.policy.gates import Gate, Measure
from bursar.policy.match import Index
from bursar.policy.period import ALWAYS, Period, Window
from bursar.policy.stems import stems_of

MINUTE_US: Final = 60 * US_PER_S

_REMEMBERED: Final = 16_384
"""Gates kept for later requests; some ten megabytes."""

DIMENSIONS: Final = (
    "organisation",
    "team",
    "project",
    "key",
    "provider",
    "model",
    "dialect",
    "operation",
    "task_type",
)
"""Facts of every request besides its tags; ``model`` is the one asked for."""


class Extra(Struct, frozen=True):
    """A top-up: room added to a budget's limit for a while."""

    budget: str
    amount: int
    """In the budget's measure."""
    whose: "Whose | None" = None
    """The account it is for; ``None`` = each of the budget's."""
    from_us: int = 0
    until_us: int | None = None
    """First instant at which it counts no more; ``None`` = it stays."""

    def counts_in(self, window: Window) -> bool:
        """Whether some of a window lies in its time; the whole window then has the room."""
        is_past = self.until_us is not None and self.until_us <= window.start_us
        return not is_past and (window.end_us is None or self.from_us < window.end_us)


class BudgetRule(Struct, frozen=True, eq=False):
    """A budget, ready to be asked."""

    name: str
    budget: Budget
    measure: Measure
    limit: int
    """Without top-ups, in the budget's measure."""
    stem: str
    """Of its accounts' names; see `policy.stems`."""
    period: Period
    span_us: int
    """Length of a rolling period; 0 for any other."""
    parent: "BudgetRule | None"
    is_closed: bool
    """Whether requests are refused while the counters cannot be reached."""

    @property
    def is_hard(self) -> bool:
        """Whether what does not fit is refused."""
        return self.budget.mode == "hard"


class LimitRule(Struct, frozen=True, eq=False):
    """A limit, ready to be asked."""

    name: str
    limit: Limit
    max_cost: int | None
    """Picodollars."""


class RunRule(Struct, frozen=True, eq=False):
    """A rule for agent runs, ready to be asked."""

    run: Run
    budget: int | None
    """Picodollars."""
    max_budget: int | None
    velocity_floor: int


class Made(Struct, frozen=True):
    """The gates of one rule for one account, in the window they hold for."""

    gates: tuple[Gate, ...]
    window: Window = ALWAYS


Whose = str | tuple[str, ...]
"""The values of a rule's ``per`` dimensions: a single one as it is, several or none as a tuple."""


class Matched(Struct, frozen=True):
    """The rules that apply to one request."""

    budgets: tuple[BudgetRule, ...] = ()
    limits: tuple[LimitRule, ...] = ()
    run: RunRule | None = None


NO_RULES: Final = Matched()


class Rules:
    """Everything that is configured about spending; immutable, but for the gates it remembers."""

    __slots__ = (
        "_budgets",
        "_extras",
        "_gates",
        "_limits",
        "_remembered",
        "_runs",
        "by_name",
        "has_closed",
        "is_empty",
        "stems",
        "velocities",
    )

    def __init__(
        self,
        *,
        budgets: Iterable[Budget] = (),
        limits: Iterable[Limit] = (),
        runs: Iterable[Run] = (),
        extras: Iterable[Extra] = (),
        velocities: Mapping[str, int] | None = None,
    ) -> None:
        """Compile; raises ValueError for a rule that contradicts itself, naming it.

        ``velocities`` holds, by task type, the spend in five minutes (picodollars) that is usual at most.
        """
        limits, runs = tuple(limits), tuple(runs)
        compiled = _budgets(budgets)
        self.by_name: Mapping[str, BudgetRule] = compiled
        self.stems = frozenset(rule.stem for rule in compiled.values())
        """What the names of its budgets' accounts begin with; two sets of rules that share one count the same in it."""
        self._budgets = Index((rule.budget.match, rule) for rule in compiled.values())
        self._limits = Index((rule.limit.match, rule) for rule in _limits(limits))
        self._runs = Index((rule.run.match, rule) for rule in map(_run, runs))
        self.has_closed = any(rule.is_closed for rule in compiled.values()) or any(
            limit.on_failure == "closed" for limit in limits
        )
        """Whether some rule refuses requests while nobody can count."""
        self.is_empty = not (compiled or limits or runs)
        self._extras: dict[str, list[Extra]] = {}
        for extra in extras:
            self._extras.setdefault(extra.budget, []).append(extra)
        self.velocities = dict(velocities or {})
        self._gates: dict[BudgetRule | LimitRule, dict[Whose, Made]] = {}
        self._remembered = 0

    def with_velocities(self, velocities: Mapping[str, int]) -> "Rules":
        """The same rules beside newer histories of runs."""
        renewed = copy.copy(self)
        renewed.velocities = dict(velocities)
        return renewed

    def matching(self, facts: Mapping[str, str], *, is_run: bool) -> Matched:
        """The rules for a request with these facts; a budget's envelopes are reached through its `parent`."""
        if self.is_empty:
            return NO_RULES
        runs = self._runs.find(facts) if is_run else ()
        return Matched(tuple(self._budgets.find(facts)), tuple(self._limits.find(facts)), runs[0] if runs else None)

    def recall(self, rule: BudgetRule | LimitRule, whose: Whose) -> Made | None:
        """The gates made last for a rule's account of these values."""
        made = self._gates.get(rule)
        return None if made is None else made.get(whose)

    def remember(self, rule: BudgetRule | LimitRule, whose: Whose, made: Made) -> None:
        """Keep gates. Memory is bounded by forgetting all at once; a gate can be made again at any time."""
        if self._remembered >= _REMEMBERED:
            self._gates.clear()
            self._remembered = 0
        self._remembered += len(made.gates)
        self._gates.setdefault(rule, {})[whose] = made

    def limit_of(self, rule: BudgetRule, whose: Whose, window: Window) -> int:
        """A budget's limit for one account in one window, top-ups included."""
        extras = self._extras.get(rule.name, ()) if self._extras else ()
        return rule.limit + sum(
            extra.amount for extra in extras if extra.whose in (None, whose) and extra.counts_in(window)
        )


def _budgets(budgets: Iterable[Budget]) -> dict[str, BudgetRule]:
    declared = {}
    for budget in budgets:
        if budget.name in declared:
            raise ValueError(f"two budgets are named '{budget.name}'; names must be unique")
        if budget.enabled:
            declared[budget.name] = budget
    _check_parents(declared)
    stems = stems_of(declared.values())
    compiled: dict[str, BudgetRule] = {}
    for name in declared:
        _compile(name, declared, stems, compiled)
    return {name: compiled[name] for name in declared}


def _check_parents(declared: Mapping[str, Budget]) -> None:
    """Raise ValueError where an envelope is missing, or inside itself."""
    for name in declared:
        above = [name]
        while (parent := declared[above[-1]].parent) is not None:
            if parent not in declared:
                raise ValueError(f"budget '{above[-1]}' has the parent '{parent}', which is not an enabled budget")
            if parent in above:
                circle = [*above[above.index(parent) :], parent]
                raise ValueError(f"budget '{parent}' is its own parent: {' → '.join(circle)}")
            above.append(parent)


def _compile(
    name: str, declared: Mapping[str, Budget], stems: Mapping[str, str], compiled: dict[str, BudgetRule]
) -> BudgetRule:
    """Compile a budget and, before it, its envelopes."""
    if name in compiled:
        return compiled[name]
    budget = declared[name]
    parent = None if budget.parent is None else _compile(budget.parent, declared, stems, compiled)
    rule = compiled[name] = _budget(budget, stems[name], parent)
    return rule


def _budget(budget: Budget, stem: str, parent: BudgetRule | None) -> BudgetRule:
    what = f"budget '{budget.name}'"
    if (budget.limit_usd is None) == (budget.limit_tokens is None):
        raise ValueError(f"{what} needs one limit: limit_usd or limit_tokens")
    if (budget.period == "rolling") != (budget.window_s is not None):
        raise ValueError(f'{what}: window_s belongs to period = "rolling", and that period needs it')
    if budget.limit_usd is not None:
        measure: Measure = "usd"
        limit = int(parse_usd(budget.limit_usd))
    else:
        measure, limit = "tokens", budget.limit_tokens or 0
    if parent is not None and parent.measure != measure:
        raise ValueError(f"{what} counts {measure} and its parent '{parent.name}' counts {parent.measure}")
    try:
        period = Period(budget.period, budget.time_zone)
    except ValueError as wrong:
        raise ValueError(f"{what}: {wrong}") from None
    return BudgetRule(
        name=budget.name,
        budget=budget,
        measure=measure,
        limit=limit,
        stem=stem,
        period=period,
        span_us=int((budget.window_s or 0) * US_PER_S),
        parent=parent,
        is_closed=(budget.mode == "hard") if budget.on_failure is None else budget.on_failure == "closed",
    )


def _limits(limits: Iterable[Limit]) -> Iterable[LimitRule]:
    names = set()
    for position, limit in enumerate(limits, start=1):
        name = limit.name or f"limit-{position}"
        if name in names:
            raise ValueError(f"two limits are named '{name}'; names must be unique")
        names.add(name)
        yield LimitRule(name, limit, _pico(limit.max_cost_per_request_usd))


def _run(run: Run) -> RunRule:
    return RunRule(run, _pico(run.budget_usd), _pico(run.max_budget_usd), int(parse_usd(run.velocity_floor_usd)))


def _pico(usd: str | None) -> int | None:
    return None if usd is None else int(parse_usd(usd))
