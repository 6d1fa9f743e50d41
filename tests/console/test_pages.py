"""The pages: what they say, and that nothing a stranger wrote becomes markup."""

import re
from html import escape, unescape
from html.parser import HTMLParser

import pytest

from support.console import CONFIG, HOSTILE, RunningConsole

PAGES = (
    "/",
    "/requests",
    "/requests/call-000005",
    "/requests?price_status=unpriced",
    "/requests?team=%3Cb%3E",
    "/nothing",
)


class Tags(HTMLParser):
    """The elements of a page and their attributes."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def words(html):
    """A page's text without markup, in one line."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html))).strip()


def row(html, call):
    """The words of one call's row in a list of requests."""
    return next(words(part) for part in re.split("</?tr>", html) if f"/requests/call-{call:06d}" in part)


@pytest.mark.parametrize("path", PAGES)
def test_hostile_text_stays_text(console, path):
    """Tags, models, decisions and usage are written by strangers and shown as they are."""
    html = console.get(path).text
    tags = Tags(html)

    assert HOSTILE not in html
    assert all(one.get("src", "").startswith("/static/") for one in tags.all("script") + tags.all("img"))
    assert not any(name.startswith("on") or name == "style" for _, attributes in tags.found for name in attributes)
    assert not tags.all("b")


def test_hostile_call_is_shown(console):
    """What was written is still there to be read."""
    html = console.get("/requests/call-000005").text

    assert html.count(escape(HOSTILE)) >= 5
    assert '"><img src=x onerror=alert(1)>' in unescape(html)


@pytest.mark.parametrize("path", PAGES)
def test_structure(console, path):
    """Landmarks, one main heading, a language, headed tables, no id twice, labelled links."""
    tags = Tags(console.get(path).text)
    ids = [attributes["id"] for _, attributes in tags.found if "id" in attributes]

    assert [len(tags.all(name)) for name in ("header", "main", "footer", "h1")] == [1, 1, 1, 1]
    assert tags.all("html") == [{"lang": "en"}]
    assert len(ids) == len(set(ids))
    assert {one["aria-labelledby"] for one in tags.all("section") if "aria-labelledby" in one} <= set(ids)
    assert all(one.get("scope") for one in tags.all("th"))
    assert all("id" in one for _, one in tags.found if "data-live" in one)


def test_overview_figures(console):
    """Spend, requests, unpriced and estimated attempts, with the exact amount beside the rounded one."""
    summary = console.get("/api/v1/summary").json
    page = console.get("/")

    assert page.status == 200
    assert f'title="${summary["week"]["cost_usd"]}"' in page.text
    assert f"{summary['week']['requests']:,}" in words(page.text)
    assert f"{summary['week']['unpriced_requests']} attempt" in words(page.text)
    assert 'href="/requests?price_status=unpriced"' in page.text
    assert 'href="/requests?team=ops"' in page.text


def test_overview_coverage(console):
    """The share of the spend that is fully tagged, and how many requests lack a tag."""
    console.put(console.settled(81, about=console.facts(81, team="ops", tags=(("untagged", "feature"),))))
    coverage = console.get("/api/v1/summary").json["coverage"]
    page = console.get("/").text

    assert coverage["untagged_requests"] >= 1
    points = round(coverage["tagged_cost_percent"] * 100)
    assert f"Fully tagged {points // 100}.{points % 100 // 10}% " in words(page)
    assert f"{coverage['untagged_requests']} request" in words(page)
    assert f'title="${coverage["untagged_cost_usd"]}"' in page


def test_overview_shows_a_week(console):
    """The chart has seven days, today last."""
    page = console.get("/").text

    assert page.count('<rect class="day') == 7
    assert page.count('<li aria-current="date">') == 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (1, "$1.23"),
        (2, "unpriced"),
        (3, "not billed"),
        (6, "≈"),
        (8, "free"),
        (9, "$0.000000000700"),
    ],
)
def test_costs_in_lists(console, call, said):
    """A known cost is an amount; an unknown one, a free one and one that was never billed are words."""
    html = console.get("/requests").text

    assert row(html, call).endswith(said)


def test_unknown_cost_is_never_zero(console):
    """A team with nothing but unpriced and unbilled attempts has not cost $0.00."""
    console.put(
        console.settled(70, team="dark", price_status="unpriced", cost=None, card=None, lines=()),
        console.settled(71, team="dark", outcome="error", price_status="not_billed", cost=0, card=None, lines=()),
    )
    html = console.get("/").text
    group = next(words(part) for part in re.split("</?tr>", html) if 'href="/requests?team=dark"' in part)

    assert group == "dark 2 1 unpriced unpriced 0.0%"


def test_explanation(console):
    """One call: every line quantity × unit price = cost, its card and source, timings, decisions, raw usage."""
    said = words(console.get("/requests/call-000001").text)

    assert "$1.234567" in said
    assert "input text 4,938,000 tokens × $0.00000025 $0.25 / 1M tokens = $1.2345" in said
    assert "output text 67 tokens × $0.000001 $1.00 / 1M tokens = $0.000067" in said
    assert f"Price card {console.card} Price source genai-prices" in said
    assert "waiting for the first byte 250 ms receiving 1.00 s settling 1.0 ms total 1.25 s" in said
    assert "Model asked gpt-5-mini Model served gpt-5-mini-2026-08-07" in said
    assert "usage is the provider's own" in said
    assert "key key-1 allowed" in said
    assert '"prompt_tokens": 3' in said


def test_explanation_of_retries(console):
    """Each attempt has a section, and a card that is not in force any more says so."""
    said = words(console.get("/requests/call-000004").text)

    assert "Attempt 1 error 500" in said
    assert "Attempt 2 success" in said
    assert "There was nothing to bill." in said
    assert "test (a card of an older catalog)" in said


def test_explanation_of_an_unknown_source(console):
    """Where only a card's id is known, that is what is said."""
    assert "only its id is known here" in words(console.get("/requests/call-000006").text)


def test_explanation_of_a_correction(console):
    """A corrected call shows what changed and why."""
    said = words(console.get("/requests/call-000009").text)

    assert "Corrections" in said
    assert "repriced, attempt 1 is now $0.0000000007 by openai/gpt-5-mini#2" in said


@pytest.mark.parametrize(
    ("query", "calls"),
    [("price_status=unpriced&team=search", [2]), ("outcome=error&team=ops", [4, 3]), ("usage_status=estimated", [6])],
)
def test_lists_are_filtered(console, query, calls):
    """A list holds what its filters let through, and each filter can be taken away."""
    html = console.get(f"/requests?{query}").text

    assert re.findall(r'href="/requests/call-(\d+)"', html) == [f"{call:06d}" for call in calls]
    assert html.count('aria-label="Remove the filter') == query.count("=")


def test_long_lists_are_paged(console):
    """A full page leads to the older ones, and from there back to the newest."""
    first = console.get("/requests?limit=2&team=search").text
    older = unescape(re.search(r'href="([^"]+)" rel="next"', first).group(1))
    second = console.get(older).text

    found = [re.findall(r'href="(/requests/call-\d+)"', html) for html in (first, second)]
    assert not set(found[0]) & set(found[1])
    assert 'href="/requests?team=search"' in second


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/requests/nothing", 404, "Call nothing is not in this ledger."),
        ("/requests/call-000007", 404, "still in flight"),
        ("/requests?colour=red", 400, "unknown dimension 'colour'; valid ones are"),
        ("/nothing", 404, "GET /nothing: Not Found"),
    ],
)
def test_problems(console, path, status, said):
    """What cannot be shown is a page with the reason."""
    answer = console.get(path)

    assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert said in words(answer.text)


def test_nothing_yet(console, tmp_path):
    """An empty ledger teaches the first call, which becomes a request with the key where one is needed."""
    keys = '[[keys]]\nname = "k"\nkey = "env:K"\n'
    with RunningConsole(tmp_path, prices=console.folder, config=CONFIG + keys, environ={"K": "secret-key"}) as fresh:
        said = words(fresh.get("/", host=f"localhost:{fresh.port}").text)

        assert f"curl http://localhost:{fresh.port}/v1/chat/completions" in said
        assert "authorization: Bearer YOUR-BURSAR-KEY" in said
        assert "secret-key" not in said


def test_ledger_away(console, tmp_path):
    """Without a ledger the page says so, and that nothing is lost."""
    with RunningConsole(tmp_path, prices=console.folder, has_ledger=False) as alone:
        answer = alone.get("/")

        assert answer.status == 503
        assert "The ledger is away" in words(answer.text)
        assert "every one of them is recorded" in words(answer.text)


def test_simulated_costs_are_called_so(console, tmp_path):
    """Costs of made-up answers are not taken for money."""
    config = '[[providers]]\nname = "toy"\ndialect = "openai"\nsimulated = true\nbase_url = "http://127.0.0.1:9/v1"\n'
    with RunningConsole(tmp_path, prices=console.folder, config=config, has_ledger=False) as toy:
        assert "toy is answered by the built-in simulated provider" in words(toy.get("/").text)


def test_other_providers_first_call(console, tmp_path):
    """Where only Anthropic is set up, the call to try is Anthropic's."""
    config = '[[providers]]\nname = "a"\ndialect = "anthropic"\nbase_url = "http://127.0.0.1:9"\n'
    with RunningConsole(tmp_path, prices=console.folder, config=config) as other:
        assert "/anthropic/v1/messages" in words(other.get("/").text)
