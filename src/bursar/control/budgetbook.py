"""All budgets as people see them: those of `bursar.toml`, which only the file changes, beside those made here.

A change is checked by compiling the whole set of rules that it would lead to, so that no gateway ever meets one that it
cannot use.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from bursar.clock import US_PER_S, format_us
from bursar.config import Budget, Config
from bursar.control.rules import compiled
from bursar.control.state import ControlState
from bursar.control.values import (
    Author,
    BadTerms,
    BudgetRecord,
    DeclaredInFile,
    NameTaken,
    NoSuchName,
    TopUp,
    TopUpRecord,
)
from bursar.errors import ConfigError
from bursar.money import Pico, format_usd, parse_usd
from bursar.policy.period import Period
from bursar.policy.rules import Rules
from bursar.policy.stems import measure_of
from bursar.when import parse_ahead

TOP_UPS: Final = 100
"""Top-ups of one budget that are listed, newest first."""


class Grant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A top-up as people ask for it."""

    usd: str | None = None
    """Decimal USD, or ``tokens``."""
    tokens: int | None = None
    account: Mapping[str, str] = {}
    """Value of each of the budget's ``per`` dimensions; empty for every account."""
    until: str | None = None
    """When it ends; by default with the present period. ``never`` leaves it for good."""
    reason: str = ""


class BudgetBook:
    """Lists and changes budgets over one control state."""

    def __init__(self, control: ControlState, config: Config) -> None:
        self._control: Final = control
        self._config: Final = config
        self._declared: Final = {one.name: one for one in config.budgets}

    def every(self) -> Iterator[Budget | BudgetRecord]:
        """All budgets: the file's in its order, then the others by name."""
        yield from self._declared.values()
        yield from self._control.budgets.every()

    def get(self, name: str) -> Budget | BudgetRecord:
        """One budget; raises NoSuchName."""
        found = self._declared.get(name) or self._control.budgets.get(name)
        if found is None:
            raise NoSuchName(f"there is no budget '{name}'; `bursar budgets list` names them all")
        return found

    def rules(self, *, now_us: int) -> Rules:
        """The rules in force; raises ConfigError."""
        return compiled(self._config, self._made().values(), self._control.top_ups.active(now_us))

    def create(self, budget: Budget, author: Author) -> BudgetRecord:
        """Make a budget; raises NameTaken and BadTerms."""
        if budget.name in self._declared:
            raise NameTaken(f"bursar.toml declares a budget '{budget.name}'; choose another name")
        made = self._made()
        if budget.name in made:
            raise NameTaken(f"there is a budget '{budget.name}' already; `bursar budgets edit` changes it")
        self._check({**made, budget.name: budget})
        return self._control.budgets.create(budget, author)

    def change(self, name: str, changes: Mapping[str, Any], author: Author) -> BudgetRecord:
        """Change some terms, named as in `Budget`; ``None`` takes one away.

        Raises NoSuchName, DeclaredInFile and BadTerms.
        """
        self._require_own(name)
        if changes.get("name", name) != name:
            raise BadTerms("name: a budget keeps its name; make another budget instead")
        made = self._made()
        terms = {**msgspec.to_builtins(made[name]), **changes}
        try:
            budget = msgspec.convert({key: value for key, value in terms.items() if value is not None}, Budget)
        except msgspec.ValidationError as wrong:
            raise BadTerms(str(wrong)) from None
        self._check({**made, name: budget})
        return self._control.budgets.change(budget, author)

    def delete(self, name: str, author: Author) -> None:
        """Remove a budget; raises NoSuchName, DeclaredInFile, and BadTerms while it is another one's parent."""
        self._require_own(name)
        self._check({key: value for key, value in self._made().items() if key != name})
        self._control.budgets.delete(name, author)

    def top_up(self, name: str, grant: Grant, author: Author) -> TopUpRecord:
        """Add room to a budget, of the file or made here; raises NoSuchName and BadTerms."""
        found = self.get(name)
        budget = found.budget if isinstance(found, BudgetRecord) else found
        pico, tokens = _amount(grant, budget)
        top_up = TopUp(
            budget=name,
            account=_account(grant.account, budget),
            pico=pico,
            tokens=tokens,
            from_us=author.at_us,
            until_us=_until_us(grant.until, budget, author.at_us),
            reason=grant.reason,
        )
        return self._control.top_ups.add(top_up, author)

    def cancel(self, name: str, number: int, author: Author) -> TopUpRecord:
        """Take back a top-up; raises NoSuchName."""
        if all(record.id != number for record in self.top_ups(name)):
            raise NoSuchName(f"budget '{name}' has no top-up {number}; `bursar budgets show {name}` lists them")
        return self._control.top_ups.cancel(number, author)

    def top_ups(self, name: str) -> tuple[TopUpRecord, ...]:
        """The latest top-ups of a budget, newest first."""
        return self._control.top_ups.newest(budget=name, limit=TOP_UPS)

    def _made(self) -> dict[str, Budget]:
        return {record.budget.name: record.budget for record in self._control.budgets.every()}

    def _require_own(self, name: str) -> None:
        if name in self._declared:
            raise DeclaredInFile(f"the budget '{name}' is declared in bursar.toml; change it there")
        if self._control.budgets.get(name) is None:
            raise NoSuchName(f"there is no budget '{name}'; `bursar budgets list` names them all")

    def _check(self, made: Mapping[str, Budget]) -> None:
        try:
            compiled(self._config, made.values())
        except ConfigError as wrong:
            raise BadTerms(str(wrong)) from None


def name_of(found: Budget | BudgetRecord) -> str:
    """A budget's name."""
    return found.budget.name if isinstance(found, BudgetRecord) else found.name


def budget_terms(found: Budget | BudgetRecord) -> dict[str, Any]:
    """A budget's terms as the API tells them, and where they come from."""
    record = found if isinstance(found, BudgetRecord) else None
    budget = record.budget if record is not None else found
    told: dict[str, Any] = msgspec.to_builtins(budget)
    return {
        "name": told.pop("name"),
        "source": "file" if record is None else "control",
        **told,
        "made_at": None if record is None else format_us(record.made_us),
        "made_by": None if record is None else record.made_by,
        "changed_at": None if record is None else format_us(record.changed_us),
    }


def top_up_fields(record: TopUpRecord) -> dict[str, Any]:
    """A top-up as the API tells it."""
    top_up = record.top_up
    return {
        "id": record.id,
        "budget": top_up.budget,
        "account": None if top_up.account is None else list(top_up.account),
        "usd": None if top_up.pico is None else format_usd(top_up.pico),
        "tokens": top_up.tokens,
        "from": format_us(top_up.from_us),
        "until": None if top_up.until_us is None else format_us(top_up.until_us),
        "reason": top_up.reason,
        "made_at": format_us(record.made_us),
        "made_by": record.made_by,
        "cancelled_at": None if record.cancelled_us is None else format_us(record.cancelled_us),
    }


def _amount(grant: Grant, budget: Budget) -> tuple[Pico | None, int | None]:
    """What is added, in the budget's measure."""
    measure = measure_of(budget)
    if (grant.usd is None) == (measure == "usd") or (grant.tokens is None) == (measure == "tokens"):
        raise BadTerms(f"budget '{budget.name}' counts {measure}; add so much of that, and of nothing else")
    if grant.usd is None:
        if grant.tokens is None or grant.tokens < 1:
            raise BadTerms(f"tokens: {grant.tokens} is not a whole number above 0")
        return None, grant.tokens
    try:
        pico = parse_usd(grant.usd)
    except ValueError as wrong:
        raise BadTerms(f"usd: {wrong}") from None
    if pico <= 0:
        raise BadTerms(f"usd: {grant.usd} is not above 0; cancel a top-up to take it back")
    return pico, None


def _account(named: Mapping[str, str], budget: Budget) -> tuple[str, ...] | None:
    """Whose account it is for, in the order of the budget's dimensions."""
    if not named:
        return None
    if set(named) != set(budget.per):
        own = ", ".join(budget.per) or "none: all share one account"
        raise BadTerms(f"account: budget '{budget.name}' has accounts by {own}, not by {', '.join(named)}")
    return tuple(named[name] for name in budget.per)


def _until_us(text: str | None, budget: Budget, now_us: int) -> int | None:
    if text == "never":
        return None
    if text is not None:
        try:
            return parse_ahead(text, now_us=now_us)
        except ValueError as wrong:
            raise BadTerms(f"until: {wrong}") from None
    if budget.window_s is not None:
        return now_us + int(budget.window_s * US_PER_S)
    return Period(budget.period, budget.time_zone).window(now_us).end_us
