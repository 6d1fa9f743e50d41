"""What answers the API's operations on budgets."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from bursar.config import Budget
from bursar.console.admin import ACTOR
from bursar.console.replies import Endpoint, body_as, json_answer
from bursar.control.budgetbook import BudgetBook, Grant, budget_terms, name_of, top_up_fields
from bursar.control.state import ControlState
from bursar.control.values import Author, NoSuchName
from bursar.counters.accounts import BudgetAccount, account_fields, accounts_of, counted
from bursar.gateway.state import Gateway
from bursar.ledger.client import LedgerClient

MOST_ACCOUNTS: Final = 100
"""Accounts of one budget in one answer, the fullest first."""


class BudgetEndpoints:
    """Answers over one gateway and control state; what asks the database or the ledger runs in a thread."""

    def __init__(self, gateway: Gateway, control: ControlState, ledger: LedgerClient) -> None:
        self._gateway: Final = gateway
        self._control: Final = control
        self._ledger: Final = ledger

    def by_name(self) -> Mapping[str, Endpoint]:
        """Each operation's endpoint."""
        return {
            "budgets": self.every,
            "create_budget": self.create,
            "budget": self.one,
            "change_budget": self.change,
            "delete_budget": self.delete,
            "top_up_budget": self.top_up,
            "cancel_top_up": self.cancel,
        }

    async def every(self, request: Request) -> Response:
        """All budgets, each with its fullest account."""
        found = await asyncio.to_thread(lambda: list(self._book().every()))
        accounts = await self._accounts(most=1)
        return json_answer(
            [{**budget_terms(one), **_standing(accounts.get(name_of(one), ()), self._now_us())} for one in found]
        )

    async def one(self, request: Request) -> Response:
        """One budget and its accounts."""
        name = _name(request)
        found = await asyncio.to_thread(self._book().get, name)
        top_ups = await asyncio.to_thread(self._book().top_ups, name)
        accounts = (await self._accounts(most=MOST_ACCOUNTS, name=name)).get(name, ())
        told = {
            "accounts": [account_fields(one, at_us=self._now_us()) for one in accounts],
            "top_ups": [top_up_fields(record) for record in top_ups],
        }
        return json_answer(budget_terms(found) | told)

    async def create(self, request: Request) -> Response:
        """Make a budget."""
        budget = body_as(await request.body(), Budget)
        record = await asyncio.to_thread(self._book().create, budget, self._author())
        return json_answer(budget_terms(record), status=201)

    async def change(self, request: Request) -> Response:
        """Change some terms."""
        changes = body_as(await request.body(), dict[str, Any])
        record = await asyncio.to_thread(self._book().change, _name(request), changes, self._author())
        return json_answer(budget_terms(record))

    async def delete(self, request: Request) -> Response:
        """Remove a budget."""
        name = _name(request)
        found = await asyncio.to_thread(self._book().get, name)
        await asyncio.to_thread(self._book().delete, name, self._author())
        return json_answer(budget_terms(found))

    async def top_up(self, request: Request) -> Response:
        """Add room."""
        grant = body_as(await request.body(), Grant)
        record = await asyncio.to_thread(self._book().top_up, _name(request), grant, self._author())
        return json_answer(top_up_fields(record), status=201)

    async def cancel(self, request: Request) -> Response:
        """Take room back."""
        number = str(request.path_params["id"])
        if not (number.isascii() and number.isdigit()):
            raise NoSuchName(f"{number!r} is no top-up's id")
        record = await asyncio.to_thread(self._book().cancel, _name(request), int(number[:18]), self._author())
        return json_answer(top_up_fields(record))

    async def _accounts(self, *, most: int, name: str | None = None) -> Mapping[str, Sequence[BudgetAccount]]:
        """The fullest accounts by budget as the ledger orders them and the counters count them."""
        rules, at_us = self._gateway.snapshot.rules, self._now_us()
        found = await asyncio.to_thread(accounts_of, rules, self._ledger.ask, at_us=at_us)
        wanted = {one: accounts[:most] for one, accounts in found.items() if name in (None, one)}
        every = [account for accounts in wanted.values() for account in accounts]
        stood = iter(counted(every, self._gateway.counters, at_us=at_us))
        return {one: [next(stood) for _ in accounts] for one, accounts in wanted.items()}

    def _book(self) -> BudgetBook:
        return BudgetBook(self._control, self._gateway.snapshot.config)

    def _now_us(self) -> int:
        return self._gateway.clock.now_us()

    def _author(self) -> Author:
        return Author(ACTOR, self._now_us())


def _name(request: Request) -> str:
    return str(request.path_params["name"])


def _standing(accounts: Sequence[BudgetAccount], at_us: int) -> dict[str, str | int | None]:
    """The fullest account; for a budget that has none yet, nothing is known but that."""
    if accounts:
        return account_fields(accounts[0], at_us=at_us)
    names = (f"{amount}_{measure}" for amount in ("spent", "held", "remaining") for measure in ("usd", "tokens"))
    return dict.fromkeys(("account", *names, "resets_at"))
