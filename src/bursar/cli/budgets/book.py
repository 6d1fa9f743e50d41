"""The budgets of a configuration, opened for one command."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from bursar.cli.services import Services
from bursar.control.budgetbook import BudgetBook
from bursar.control.values import Author
from bursar.counters.accounts import BudgetAccount, accounts_of


class Opened(Struct, frozen=True):
    """What a command works with."""

    book: BudgetBook
    author: Author
    now_us: int


@contextmanager
def opened_book(services: Services, config_path: Path | None) -> Iterator[Opened]:
    """All budgets of a configuration, and who changes them; raises ConfigError and ControlUnavailable."""
    config, _ = services.config(config_path)
    now_us = services.clock.now_us()
    with services.control(config_path) as control:
        yield Opened(BudgetBook(control, config), Author(services.actor(), now_us), now_us)


def spent_accounts(
    services: Services, config_path: Path | None, opened: Opened
) -> Mapping[str, Sequence[BudgetAccount]]:
    """What the ledger knows of every budget's accounts; raises LedgerUnavailable."""
    with services.ledger(config_path) as ledger:
        return accounts_of(opened.book.rules(now_us=opened.now_us), ledger.ask, at_us=opened.now_us)
