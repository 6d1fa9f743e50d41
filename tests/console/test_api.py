"""The JSON API: the command line's answers over HTTP."""

import re

import pytest

from bursar.cli.main import run
from bursar.ledger.plain import attempt, coverage, measures, report_rows
from bursar.ledger.questions import NewestQuestion, ReportQuestion, SummaryQuestion
from bursar.wiring.main import SystemServices
from support.console import CONFIG, HOSTILE, OLD_CARD, RunningConsole


def test_report_is_the_command_line_s(console, tmp_path, capsys):
    """The same parameters give what `bursar report --format json` prints."""
    config = tmp_path / "bursar.toml"
    config.write_text(f'[server]\ndata_dir = "{console.folder}"\n{CONFIG}')
    arguments = ["report", "--by", "model,team", "--where", "outcome=success", "--order", "requests", "--limit", "2"]
    code = run(SystemServices(), [*arguments, "--until", "2099-01-01", "--format", "json", "--config", str(config)])

    answer = console.get("/api/v1/report?by=model,team&outcome=success&order=requests&limit=2&until=2099-01-01")

    assert (code, answer.status) == (0, 200)
    assert answer.text.replace(" ", "") == re.sub(r"\s", "", capsys.readouterr().out)
    assert len(answer.json) == 2
    assert int(answer.headers["x-bursar-groups"]) > 2


def test_explain_is_the_command_line_s(console, tmp_path, capsys):
    """A call is told as `bursar explain --format json` tells it."""
    config = tmp_path / "bursar.toml"
    config.write_text(f'[server]\ndata_dir = "{console.folder}"\n{CONFIG}')
    code = run(SystemServices(), ["explain", "call-000001", "--format", "json", "--config", str(config)])

    answer = console.get("/api/v1/requests/call-000001")

    assert (code, answer.status) == (0, 200)
    assert answer.text.replace(" ", "") == re.sub(r"\s", "", capsys.readouterr().out).replace(" ", "")


def test_report_defaults(console):
    """Without parameters: by team, the last seven days."""
    since_us = console.now_us - 7 * 86_400_000_000

    answer = console.get("/api/v1/report")

    expected = report_rows(console.ledger.ask(ReportQuestion(by=("team",), since_us=since_us)))
    assert answer.json == expected
    assert answer.headers["cache-control"] == "no-store"


def test_repeated_filters_are_alternatives(console):
    """A dimension that is given twice takes either value; several dimensions must all match."""
    answer = console.get("/api/v1/report?by=outcome&outcome=error&outcome=hangup&team=search&team=ops")

    assert {row["outcome"] for row in answer.json} == {"error", "hangup"}


def test_tags_named_like_parameters(console):
    """A tag that bears a parameter's name is reached with the prefix."""
    about = console.facts(60, team="tagged", tags=(("limit", "low"),))
    console.put(console.settled(60, about=about))

    answer = console.get("/api/v1/report?by=tag:limit&tag:limit=low&team=tagged")

    assert [(row["tag:limit"], row["requests"]) for row in answer.json] == [("low", 1)]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("report?by=colour", "valid ones are organisation, team"),
        ("report?colour=red", "valid ones are organisation, team"),
        ("report?order=colour", "valid ones are team"),
        ("report?since=yesterday", "since: 'yesterday' is not a point in time"),
        ("report?until=", "until: '' is not a point in time"),
        ("report?limit=0", "limit: '0' is not a whole number from 1 to 10000"),
        ("report?limit=" + "9" * 5000, "is not a whole number"),
        ("requests?limit=1001", "limit: '1001' is not a whole number from 1 to 1000"),
        ("requests?before=soon", "before: 'soon' is not a point in time"),
        ("requests?after=1~2", "after: '1~2' is no position"),
        ("requests?colour=red", "valid ones are organisation, team"),
    ],
)
def test_wrong_questions(console, query, named):
    """What cannot be asked is answered with 400 and what is valid."""
    answer = console.get(f"/api/v1/{query}")

    assert answer.status == 400
    assert list(answer.json) == ["error"]
    assert named in answer.json["error"]["message"]


def test_requests_lists_the_newest(console):
    """Attempts come newest first, in the flat form of the command line."""
    answer = console.get("/api/v1/requests?limit=3&team=search")

    question = NewestQuestion(limit=3, filters=(("team", "search"),))
    assert answer.json == [attempt(row) for row in console.ledger.ask(question).rows]
    assert answer.json[0]["at"] > answer.json[-1]["at"]


def test_requests_before(console):
    """`before` leaves out what was admitted at that time or later."""
    answer = console.get("/api/v1/requests?before=1h")

    assert answer.json == []


def test_pages_follow_one_another(console):
    """The Link header leads through all attempts, each once, with the filters kept."""
    whole = console.get("/api/v1/requests?limit=1000&provider=openai").json
    paged, path = [], "/api/v1/requests?limit=1&provider=openai"
    while path:
        answer = console.get(path)
        paged += answer.json
        link = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("link", ""))
        path = link and link.group(1)

    assert paged == whole
    assert len({(one["id"], one["attempt"]) for one in paged}) == len(whole) >= 6


def test_explain_names_the_source_of_each_card(console):
    """A card in force, one of an older catalog, and one that is nowhere to be found."""
    sources = {
        call: [one["card_source"] for one in console.get(f"/api/v1/requests/call-{call:06d}").json["attempts"]]
        for call in (1, 2, 4, 6)
    }

    assert sources[1][0].startswith("genai-prices ")
    assert sources[2] == [None]
    assert sources[4] == [None, f"{OLD_CARD.source} (a card of an older catalog)"]
    assert sources[6] == [None]


def test_explain_by_the_provider_s_id(console):
    """A provider's response id names its call as well."""
    console.put(console.settled(61, team="named", response_id="chatcmpl-61"))

    assert console.get("/api/v1/requests/chatcmpl-61").json["id"] == "call-000061"


@pytest.mark.parametrize(
    ("call_id", "state"),
    [
        ("nothing", "is not in this ledger"),
        ("call-000007", "is still in flight"),
        (HOSTILE.replace("/", ""), "is not in"),
    ],
)
def test_calls_without_a_row(console, call_id, state):
    """An unknown call and one in flight are 404, in the one shape of errors."""
    answer = console.get(f"/api/v1/requests/{call_id}")

    assert answer.status == 404
    assert answer.headers["content-type"] == "application/json"
    assert state in answer.json["error"]["message"]


def test_summary(console):
    """The first page's figures are the ledger's."""
    answer = console.get("/api/v1/summary").json
    expected = console.ledger.ask(SummaryQuestion(now_us=console.now_us))

    assert answer["week"] == measures(expected.week)
    assert answer["newest"] == [attempt(row) for row in expected.newest]
    assert answer["coverage"] == coverage(expected.week)
    assert [row["team"] for row in answer["by_team"]] == [row.group[0] for row in expected.by_team]
    assert answer["by_day"][-1]["requests"] == expected.by_day[-1].measures.requests


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/", "/api/"])
def test_unknown_paths(console, path):
    """What is not there is said in the API's own words."""
    answer = console.get(path)

    assert (answer.status, answer.json["error"]["message"]) == (404, f"GET {path}: Not Found")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_writes(console, method):
    """The API only reads."""
    answer = console.get("/api/v1/report", method=method)

    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


def test_ledger_away(console, tmp_path):
    """Without a ledger process the API says 503; the gateway itself is still healthy."""
    with RunningConsole(tmp_path, prices=console.folder, has_ledger=False) as alone:
        answers = [alone.get(f"/api/v1/{name}") for name in ("report", "requests", "requests/x", "summary")]
        health = alone.get("/healthz")

        assert {answer.status for answer in answers} == {503}
        assert all("no ledger process answers" in answer.json["error"]["message"] for answer in answers)
        assert health.status == 200
