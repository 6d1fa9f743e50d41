"""The control state of a data folder, opened."""

from pathlib import Path
from typing import Final

from bursar.clock import Clock
from bursar.control.database import Database
from bursar.control.sqlite import SqliteDatabase
from bursar.control.tables.alerts import AlertTable
from bursar.control.tables.audit import AuditTable
from bursar.control.tables.budgets import BudgetTable
from bursar.control.tables.keys import KeyTable
from bursar.control.tables.outbox import OutboxTable
from bursar.control.tables.top_ups import TopUpTable
from bursar.control.values import Version

FILE: Final = "control.sqlite"


class Control:
    """`bursar.control.state.ControlState` over any database."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database
        self.keys: Final = KeyTable(database)
        self.budgets: Final = BudgetTable(database)
        self.top_ups: Final = TopUpTable(database)
        self.alerts: Final = AlertTable(database)
        self.outbox: Final = OutboxTable(database)
        self.audit: Final = AuditTable(database)

    def version(self) -> Version:
        return self._database.version()

    def close(self) -> None:
        self._database.close()


def open_control(data_dir: Path, clock: Clock) -> Control:
    """Open the control state of a data folder, making it if need be; raises ControlUnavailable."""
    return Control(SqliteDatabase(data_dir / FILE, clock))
