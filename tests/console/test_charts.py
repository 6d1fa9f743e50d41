"""The geometry of charts: true to the figures, and inside the frame."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bursar.console.charts import DAYS, bar_title, day_chart, timeline
from bursar.ledger.questions import Measures, ReportRow
from bursar.money import PICO_PER_USD

NOW_US = 1_795_352_400_000_000
"""2026-11-22T13:00Z, a Sunday."""

LENGTHS = ("2026-11-16", "2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21", "2026-11-22")

points = st.none() | st.floats(0, 1e7)


def points_of(length):
    """A percentage in basis points."""
    whole, fraction = length.removesuffix("%").split(".")
    return int(whole) * 100 + int(fraction)


def days(*costs):
    """Report rows of the last days, today last."""
    names = LENGTHS[DAYS - len(costs) :]
    return [ReportRow((day,), Measures(cost=cost, requests=1)) for day, cost in zip(names, costs, strict=True)]


def test_seven_days():
    """The last seven UTC days, today last; a day without rows is there and empty."""
    chart = day_chart(days(3 * PICO_PER_USD, PICO_PER_USD), now_us=NOW_US)

    assert [bar.day for bar in chart.bars] == list(LENGTHS)
    assert [bar.label for bar in chart.bars[:2]] == ["Mon 16", "Tue 17"]
    assert [bar.height for bar in chart.bars] == ["0.00%"] * 5 + ["60.00%", "20.00%"]
    assert [bar.is_today for bar in chart.bars] == [False] * 6 + [True]
    assert chart.ticks == (("0.00%", "$5.00"), ("50.00%", "$2.50"))


def test_unknown_day():
    """A day whose cost is unknown has no bar and says so."""
    row = ReportRow(("2026-11-22",), Measures(cost=None, unpriced_requests=2, requests=2))
    bar = day_chart([row], now_us=NOW_US).bars[-1]

    assert (bar.cost, bar.height) == (None, "0.00%")
    assert bar_title(bar) == "Sun 22: unpriced (the cost is not known), 2 requests, 2 attempts unpriced"


def test_nothing_spent():
    """Without spend there is no scale."""
    assert day_chart([], now_us=NOW_US).ticks == ()


@given(st.lists(st.none() | st.integers(-(10**15), 10**20), min_size=DAYS, max_size=DAYS))
def test_bars_stay_inside(costs):
    """Bars start where they should, never overlap or leave the frame, and the largest fills at least two fifths."""
    chart = day_chart(days(*costs), now_us=NOW_US)
    spans = [(points_of(bar.x), points_of(bar.x) + points_of(bar.width)) for bar in chart.bars]
    heights = [points_of(bar.height) for bar in chart.bars]

    assert all(end < start for (_, end), (start, _) in pairwise(spans))
    assert 0 <= spans[0][0]
    assert spans[-1][1] <= 10_000
    assert all(points_of(bar.top) + height == 10_000 for bar, height in zip(chart.bars, heights, strict=True))
    assert max(heights) >= 4_000 or max(cost or 0 for cost in costs) <= 0


def test_timeline():
    """Stretches follow one another in proportion; one of no length is still seen."""
    segments = timeline({"sent_ms": 0.0, "first_byte_ms": 250.0, "last_byte_ms": 1000.0, "total_ms": 1000.0})

    assert [one.kind for one in segments] == ["before", "waiting", "receiving", "settling"]
    assert [one.length for one in segments] == ["0.0 ms", "250 ms", "750 ms", "0.0 ms"]
    assert [points_of(one.width) for one in segments] == [59, 2470, 7411, 59]


def test_timeline_of_a_refusal():
    """An attempt that never reached a provider has no timeline."""
    assert timeline({"sent_ms": None, "first_byte_ms": None, "last_byte_ms": None, "total_ms": None}) == ()


@given(points, points, points, points)
def test_timelines_stay_inside(sent, first, last, total):
    """Whatever was reached in whatever order, segments touch and fill the bar without leaving it."""
    segments = timeline({"sent_ms": sent, "first_byte_ms": first, "last_byte_ms": last, "total_ms": total})
    ends = [points_of(one.x) + points_of(one.width) for one in segments]

    assert [points_of(one.x) for one in segments[1:]] == ends[:-1]
    assert all(10_000 - len(segments) <= end <= 10_000 for end in ends[-1:])
