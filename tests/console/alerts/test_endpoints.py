"""Alerts over HTTP and on the first page."""

import re

import pytest

from bursar.control.values import Alert
from bursar.errors import ControlUnavailable
from support.console import HOSTILE, RunningConsole

S = 1_000_000


@pytest.fixture(scope="module")
def alerted(tmp_path_factory):
    """A console with eight alerts, the second resolved and told of."""
    with RunningConsole(tmp_path_factory.mktemp("alerted"), has_ledger=True) as running:
        for number in range(1, 9):
            told = Alert(
                kind="budget_threshold",
                severity="critical" if number % 2 else "warning",
                subject=f"b{number}",
                message=f"Budget 'b{number}' is told of" + HOSTILE * (number == 8),
                at_us=number * S,
                data={"percent": number, "limit_usd": "1.00"},
            )
            running.control.alerts.raise_once(f"k{number}", told, to=("ops",) if number == 2 else ())
        delivery = running.control.outbox.claim(1, at_us=3 * S, until_us=9 * S)
        running.control.outbox.failed(delivery.id, problem="http://ops answered 500", next_us=4 * S)
        running.control.outbox.delivered(delivery.id, at_us=5 * S)
        running.control.alerts.resolve(2, at_us=6 * S)
        yield running


def test_newest_first(alerted):
    """Alerts come newest first, with everything that is known of them."""
    told = alerted.get("/api/v1/alerts").json

    assert [8, 7, 6, 5, 4, 3, 2, 1] == [one["id"] for one in told]
    assert {
        "id": 2,
        "kind": "budget_threshold",
        "severity": "warning",
        "subject": "b2",
        "message": "Budget 'b2' is told of",
        "at": "1970-01-01T00:00:02.000Z",
        "resolved_at": "1970-01-01T00:00:06.000Z",
        "key": "k2",
        "data": {"percent": 2, "limit_usd": "1.00"},
        "runbook": "https://github.com/bursar/bursar/blob/main/docs/alerts.md#budget_threshold",
        "deliveries": [
            {
                "channel": "ops",
                "event": "raised",
                "attempts": 1,
                "delivered_at": "1970-01-01T00:00:05.000Z",
                "problem": "http://ops answered 500",
            },
            {"channel": "ops", "event": "resolved", "attempts": 0, "delivered_at": None, "problem": None},
        ],
    } == told[6]


def test_pages(alerted):
    """The Link header leads through all open alerts, and ends."""
    found, path = [], "/api/v1/alerts?open=true&limit=3"
    while path:
        answer = alerted.get(path)
        found.append([one["id"] for one in answer.json])
        following = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("link", ""))
        path = following.group(1) if following else None

    assert [[8, 7, 6], [5, 4, 3], [1]] == found


@pytest.mark.parametrize(
    ("query", "named"), [("open=yes", "open"), ("limit=0", "limit"), ("limit=501", "limit"), ("before=x", "before")]
)
def test_bad_questions(alerted, query, named):
    """What cannot be asked is named."""
    answer = alerted.get(f"/api/v1/alerts?{query}")

    assert 400 == answer.status
    assert answer.json["error"]["message"].startswith(f"{named}: ")


def test_first_page(alerted):
    """The first page shows the newest open alerts, and that there are more; nothing in them is markup."""
    page = alerted.get("/").text

    assert 5 == page.count("is told of")
    assert "There are more." in page
    assert "b2" not in re.findall(r"Budget &#39;(\w+)&#39; is told of", page)
    assert HOSTILE not in page


def test_no_alerts(console):
    """Without open alerts the page has no block of them, so that nothing takes room."""
    assert '<div id="alerts" data-live></div>' in console.get("/").text


def test_control_state_away(alerted, monkeypatch):
    """While alerts cannot be read the page is there all the same and says so; the API is not."""

    def away(*_, **__):
        raise ControlUnavailable("the disk is full")

    monkeypatch.setattr(type(alerted.control.alerts), "newest", away)
    page, answer = alerted.get("/"), alerted.get("/api/v1/alerts")

    assert (200, True) == (page.status, "the disk is full" in page.text)
    assert (503, "the disk is full") == (answer.status, answer.json["error"]["message"])
