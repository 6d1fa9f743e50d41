"""`bursar report`."""

import pytest

from bursar.events import Outcome, PriceStatus, Principal
from bursar.money import parse_usd
from support.ledger_records import facts, opened, settled, unpriced

OTHER = facts(4, principal=Principal("acme", "shop", "site", "key-2"))


@pytest.fixture
def spent(bursar):
    """A ledger with two teams, an unpriced attempt, an error and an interrupted one."""
    bursar.record(
        [
            settled(1),
            settled(2),
            unpriced(3),
            settled(about=OTHER, outcome=Outcome.ERROR, price_status=PriceStatus.NOT_BILLED, cost=0, usage=()),
            opened(5),
        ]
    )
    return bursar


def test_table(spent):
    """Groups, their total, and in words what the sums lack."""
    result = spent("report", "--by", "team,price_status", "--since", "7d")

    assert result.code == 0
    spent.golden("report", result.out)
    spent.golden("report_notices", result.err)


def test_total_only(spent):
    """Without a dimension there is one line."""
    result = spent("report", "--by", "", "--format", "json")

    (row,) = result.json()
    assert (5, "0.000000002", 2, 9, 3) == tuple(
        row[name] for name in ("requests", "cost_usd", "unpriced_requests", "input_tokens", "output_tokens")
    )


def test_csv_and_json_agree(spent):
    """Both hold the same rows; unknown is null and an empty cell."""
    arguments = ("report", "--by", "team,model", "--where", "price_status=unpriced", "--format")
    rows = spent(*arguments, "json").json()

    assert [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows] == spent(
        *arguments, "csv"
    ).csv()
    assert {None} == {row["cost_usd"] for row in rows}


def test_groups_tie_to_the_total(spent):
    """However it is grouped, the parts sum to the whole."""
    (total,) = spent("report", "--by", "", "--format", "json").json()
    groups = spent("report", "--by", "team,outcome", "--format", "json").json()

    assert sum(parse_usd(row["cost_usd"] or "0") for row in groups) == parse_usd(total["cost_usd"])
    assert sum(row["attempts"] for row in groups) == total["attempts"]


def test_limit_says_what_is_left_out(spent):
    """The total covers the groups that are not shown."""
    result = spent("report", "--by", "team", "--limit", "1")

    assert "Groups not shown: 1; the total covers all of them." in result.err
    assert len(result.out.splitlines()) == 3


def test_window(spent):
    """Rows outside the window do not count."""
    assert spent("report", "--since", "2026-11-02", "--format", "json").json() == []
    assert spent("report", "--until", "2026-11-01T00:00:02", "--format", "json").json()[0]["requests"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--where", "team"), "'team' is not DIM=VALUE"),
        (("--where", "=x"), "'=x' is not DIM=VALUE"),
        (("--since", "yesterday"), "'yesterday' is not a point in time"),
        (("--by", "colour"), "unknown dimension 'colour'; valid ones are"),
        (("--order", "beauty"), "beauty"),
        (("--format", "yaml"), "'yaml' is not one of"),
        (("--limit", "0"), "0 is not in the range"),
    ],
)
def test_wrong_usage(spent, arguments, message):
    """What cannot be understood exits 2 with a message that says what can."""
    result = spent("report", *arguments)

    assert (2, "") == (result.code, result.out)
    assert message in result.err


def test_untagged(bursar):
    """What lacks required tags is told under the table, and who and what can be asked for."""
    lacking = facts(2, tags=(("untagged", "feature"),))
    bursar.record([settled(1), settled(about=lacking)])
    table = bursar("report", "--by", "team")
    rows = bursar("report", "--by", "untagged", "--format", "json").json()

    assert (
        "Requests without a required tag: 1; they cost $0.000000001. See what they lack with --by untagged."
    ) in table.err
    assert {None: (0, "0.00"), "feature": (1, "0.000000001")} == {
        row["untagged"]: (row["untagged_requests"], row["untagged_cost_usd"]) for row in rows
    }
