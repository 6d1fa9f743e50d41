"""Printing rows."""

import csv
import io
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bursar.cli.output import print_rows

CELLS = st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"))
ROWS = st.lists(st.fixed_dictionaries({"name": CELLS, "cost_usd": st.none() | st.just("1.50"), "note": CELLS}))
UNSHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)


@UNSHARED
@given(ROWS)
def test_json_keeps_every_field(capsys, rows):
    """JSON gives back what went in."""
    print_rows(rows, columns=("name",), form="json")

    assert rows == json.loads(capsys.readouterr().out)


@UNSHARED
@given(ROWS)
def test_csv_keeps_the_columns(capsys, rows):
    """CSV holds the columns asked for, in order, unknown as nothing."""
    print_rows(rows, columns=("cost_usd", "name"), form="csv")
    head, *lines = csv.reader(io.StringIO(capsys.readouterr().out, newline=""))

    assert ["cost_usd", "name"] == head
    assert [["" if row[name] is None else str(row[name]) for name in head] for row in rows] == lines


def test_table(capsys):
    """Numbers are grouped and to the right, unknown is a dash, and nothing is cut off without a terminal."""
    rows = [
        {"model": "m" * 150, "requests": 12345, "cost_usd": "0.10", "stream": True},
        {"model": "x", "requests": None, "cost_usd": None, "stream": None},
    ]
    print_rows(rows, columns=("model", "requests", "cost_usd", "stream"), form="table")
    head, first, second = capsys.readouterr().out.splitlines()

    assert ["model", "requests", "cost $", "stream"] == [part.strip() for part in head.split("  ") if part]
    assert ["m" * 150, "12,345", "0.10", "yes"] == first.split()
    assert ["x", "–", "–", "–"] == second.split()
    assert first.index("12,345") + len("12,345") == second.index("–") + 1
