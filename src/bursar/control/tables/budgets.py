"""Budgets that are made at run time, each as the JSON of a `bursar.config.Budget`."""

from typing import Final

from bursar.config import Budget
from bursar.control.database import Database, Row, Sql, decoded, encoded, whole
from bursar.control.tables.audit import note
from bursar.control.values import Author, BudgetRecord, NameTaken, NoSuchName

_RECORD: Final = "SELECT definition, made_us, made_by, changed_us FROM budgets"


class BudgetTable:
    """`bursar.control.state.Budgets`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def every(self) -> tuple[BudgetRecord, ...]:
        with self._database.reading() as sql:
            rows = sql.rows(f"{_RECORD} ORDER BY name")
        return tuple(_record(row) for row in rows)

    def get(self, name: str) -> BudgetRecord | None:
        with self._database.reading() as sql:
            row = sql.row(f"{_RECORD} WHERE name = ?", name)
        return None if row is None else _record(row)

    def create(self, budget: Budget, author: Author) -> BudgetRecord:
        with self._database.writing("rules") as sql:
            if sql.row("SELECT 1 FROM budgets WHERE name = ?", budget.name) is not None:
                raise NameTaken(f"there is a budget '{budget.name}' already")
            sql.run(
                "INSERT INTO budgets (name, definition, made_us, made_by, changed_us) VALUES (?, ?, ?, ?, ?)",
                budget.name,
                encoded(budget),
                author.at_us,
                author.name,
                author.at_us,
            )
            note(sql, author, "budget.create", budget.name, before=None, after=encoded(budget))
            return _present(sql, budget.name)

    def change(self, budget: Budget, author: Author) -> BudgetRecord:
        with self._database.writing("rules") as sql:
            before = _present(sql, budget.name)
            sql.run(
                "UPDATE budgets SET definition = ?, changed_us = ? WHERE name = ?",
                encoded(budget),
                author.at_us,
                budget.name,
            )
            note(sql, author, "budget.change", budget.name, before=encoded(before.budget), after=encoded(budget))
            return _present(sql, budget.name)

    def delete(self, name: str, author: Author) -> None:
        with self._database.writing("rules") as sql:
            before = _present(sql, name)
            sql.run("DELETE FROM budgets WHERE name = ?", name)
            note(sql, author, "budget.delete", name, before=encoded(before.budget), after=None)


def _present(sql: Sql, name: str) -> BudgetRecord:
    row = sql.row(f"{_RECORD} WHERE name = ?", name)
    if row is None:
        raise NoSuchName(f"there is no budget '{name}' that was made at run time")
    return _record(row)


def _record(row: Row) -> BudgetRecord:
    return BudgetRecord(
        budget=decoded(row[0], Budget), made_us=whole(row[1]), made_by=str(row[2]), changed_us=whole(row[3])
    )
