"""A progress bar on standard error, where that is a terminal; nothing elsewhere, so that logs stay readable."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Advance = Callable[[int], None]
"""Takes how much is done."""


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f}/s")


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Advance]:
    """A bar for as long as the context lasts; ``total`` is ``None`` where the end is not known."""
    if not sys.stderr.isatty():
        yield _ignore
        return
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


def _ignore(_done: int) -> None:
    """Show nothing."""
