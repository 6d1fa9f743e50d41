"""`bursar explain`."""

import pytest

from bursar.events import Principal
from bursar.usage import Meter
from support.ledger_records import corrected, facts, opened, settled, unpriced


@pytest.fixture
def called(bursar):
    """A ledger with a retried call, one that was corrected and one in flight."""
    bursar.record(
        [
            unpriced(1),
            corrected(1, cost=1_500, delta=1_500),
            settled(2, 1),
            settled(2, 2, about=facts(2, 2, task="t-9", task_type="triage", principal=Principal(team="search"))),
        ]
    )
    return bursar


def test_table(called):
    """Attempts, their cost line by line, and the decisions."""
    result = called("explain", "call-000002")

    assert (0, "") == (result.code, result.err)
    called.golden("explain", result.out)


def test_correction(called):
    """A corrected call costs what the correction says, and says so."""
    result = called("explain", "call-000001")

    assert "corrected 2026-11-02T00:00:00.000Z: repriced → $0.0000000015 (openai/gpt-5-mini#2)" in result.out


def test_json(called):
    """One object for the whole call."""
    told = called("explain", "call-000002", "--format", "json").json()

    assert ("call-000002", "success", "0.000000002", "priced", 2, 4) == (
        told["id"],
        told["status"],
        told["cost_usd"],
        told["price_status"],
        len(told["attempts"]),
        len(told["lines"]),
    )


def test_csv(called):
    """The cost lines alone, exact."""
    lines = called("explain", "call-000001", "--format", "csv").csv()
    both = called("explain", "call-000002", "--format", "csv").csv()

    assert [] == lines
    assert [Meter.INPUT_TEXT.label, Meter.OUTPUT_TEXT.label] * 2 == [line["meter"] for line in both]
    assert {"meter", "unit", "quantity", "unit_price_usd", "cost_usd"} == set(both[0])


def test_response_id(called):
    """A call is found by the provider's own id for the answer."""
    assert called("explain", "resp-2-2").out == called("explain", "call-000002").out


def test_unknown_call(called):
    """A call that is not there is a "no"."""
    result = called("explain", "call-x")

    assert (1, "", "Call call-x is not in this ledger.\n") == (result.code, result.out, result.err)


def test_interrupted(bursar):
    """An attempt whose process died is explained with its bound, not with a cost."""
    bursar.record([opened(9)])
    told = bursar("explain", "call-000009", "--format", "json").json()

    assert (None, "unpriced", "interrupted") == (told["cost_usd"], told["price_status"], told["status"])
