"""The rules in force: what the file declares and what was made at run time, compiled as one set."""

from msgspec import structs

from bursar.config import Config, digest_of
from bursar.control.state import ControlState
from bursar.control.values import TopUpRecord
from bursar.errors import ConfigError
from bursar.policy.rules import Extra, Rules
from bursar.policy.stems import measure_of


def with_made_budgets(config: Config, control: ControlState) -> Config:
    """The configuration with the budgets that were made at run time after its own.

    Raises ConfigError when the file declares a budget of a name that one of them bears, and ControlUnavailable.
    """
    made = tuple(record.budget for record in control.budgets.every())
    taken = {one.name for one in config.budgets} & {one.name for one in made}
    if taken:
        name = min(taken)
        raise ConfigError(
            f"[[budgets]] '{name}': a budget of that name was made with `bursar budgets create`. Give this one another "
            f"name, or `bursar budgets delete {name}`"
        )
    return structs.replace(config, budgets=(*config.budgets, *made))


def rules_of(config: Config, control: ControlState | None, *, now_us: int) -> tuple[Rules, str]:
    """The compiled rules, and the digest of the configuration together with what was made at run time.

    Raises ConfigError for rules that contradict themselves or each other, and ControlUnavailable.
    """
    extras: tuple[Extra, ...] = ()
    if control is not None:
        config = with_made_budgets(config, control)
        extras = extras_of(config, control.top_ups.active(now_us))
    try:
        rules = Rules(budgets=config.budgets, limits=config.limits, runs=config.runs, extras=extras)
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from None
    return rules, digest_of(config)


def extras_of(config: Config, top_ups: tuple[TopUpRecord, ...]) -> tuple[Extra, ...]:
    """Top-ups as rules see them; one whose budget is gone, or counts something else by now, adds nothing."""
    budgets = {one.name: one for one in config.budgets}
    extras = []
    for record in top_ups:
        top_up = record.top_up
        budget = budgets.get(top_up.budget)
        if budget is None or (top_up.account is not None and len(top_up.account) != len(budget.per)):
            continue
        amount = top_up.pico if measure_of(budget) == "usd" else top_up.tokens
        if amount is None:
            continue
        whose = top_up.account[0] if top_up.account is not None and len(top_up.account) == 1 else top_up.account
        extras.append(Extra(budget.name, amount, whose, top_up.from_us, top_up.until_us))
    return tuple(extras)
