"""Calendar windows."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bursar.policy.period import ALWAYS, Period, Window

ZONES = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Asia/Kolkata", "Pacific/Apia", "Africa/Cairo"]
"""Clocks put forward at two, at midnight, back over midnight; half an hour's offset; a day left out altogether."""

CALENDAR = ["minute", "hour", "day", "week", "month"]

INSTANTS = st.integers(1_000_000_000, 2_500_000_000).map(lambda s: s * 1_000_000 + 5)


def us(year, month, day, hour=0, minute=0, *, zone="UTC", fold=0):
    """Unix microseconds of a local time."""
    moment = dt.datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(zone), fold=fold)
    return int(moment.timestamp()) * 1_000_000


HAVANA_AGAIN = us(2025, 11, 2, 0, 30, zone="America/Havana", fold=1)
"""Half past midnight for the second time: clocks went back from one to midnight."""


@given(INSTANTS, st.sampled_from(CALENDAR), st.sampled_from(ZONES))
@example(HAVANA_AGAIN, "day", "America/Havana")
@example(HAVANA_AGAIN, "month", "America/Havana")
def test_an_instant_lies_in_its_window(at_us, name, zone):
    """Every instant lies in its window, and every instant of that window has the same one."""
    window = Period(name, zone).window(at_us)

    assert window.start_us <= at_us < window.end_us
    assert window == Period(name, zone).window(window.start_us) == Period(name, zone).window(window.end_us - 1)


@given(INSTANTS, st.sampled_from(CALENDAR), st.sampled_from(ZONES))
@example(HAVANA_AGAIN, "day", "America/Havana")
def test_windows_tile_time(at_us, name, zone):
    """A window ends where the next begins."""
    period = Period(name, zone)
    window = period.window(at_us)

    assert window.end_us == period.window(window.end_us).start_us
    assert window.start_us == period.window(window.start_us - 1).end_us


@given(st.lists(INSTANTS, min_size=1), st.sampled_from(CALENDAR), st.sampled_from(ZONES))
def test_memory_changes_nothing(instants, name, zone):
    """A period answers the same whatever it was asked before."""
    period = Period(name, zone)

    assert [Period(name, zone).window(one) for one in instants] == [period.window(one) for one in instants]


@given(INSTANTS, st.sampled_from(ZONES))
def test_days_begin_at_local_midnight(at_us, zone):
    """A day is all instants with the same local date, unless that date does not exist."""
    window = Period("day", zone).window(at_us)
    dates = {
        dt.datetime.fromtimestamp(one / 1_000_000, ZoneInfo(zone)).date()
        for one in (at_us, window.start_us, window.end_us - 1)
    }

    assert 1 == len(dates)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", (2026, 3, 29), 23),
        ("Europe/Berlin", (2026, 10, 25), 25),
        ("America/Sao_Paulo", (2017, 10, 15), 23),
        ("America/Sao_Paulo", (2018, 2, 17), 25),
        ("America/Havana", (2025, 11, 2), 25),
        ("Asia/Kolkata", (2026, 3, 29), 24),
    ],
)
def test_days_with_a_change_of_the_clock(zone, day, hours):
    """Such a day has 23 or 25 hours, also where the change is at midnight."""
    window = Period("day", zone).window(us(*day, 12, zone=zone))

    assert hours == (window.end_us - window.start_us) / 3_600_000_000


def test_skipped_midnight():
    """Where midnight does not exist, the day begins with the first instant after it: 01:00 in São Paulo."""
    window = Period("day", "America/Sao_Paulo").window(us(2017, 10, 15, 12, zone="America/Sao_Paulo"))

    assert us(2017, 10, 15, 1, zone="America/Sao_Paulo") == window.start_us


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("minute", (2026, 12, 31, 23, 59), (2027, 1, 1, 0, 0)),
        ("hour", (2026, 12, 31, 23), (2027, 1, 1)),
        ("day", (2026, 12, 31), (2027, 1, 1)),
        ("week", (2026, 12, 28), (2027, 1, 4)),
        ("month", (2026, 12, 1), (2027, 1, 1)),
    ],
)
def test_last_minute_of_the_year(name, start, end):
    """Windows of a known instant; weeks begin on Monday."""
    assert Window(us(*start), us(*end)) == Period(name).window(us(2026, 12, 31, 23, 59))


@pytest.mark.parametrize("name", ["rolling", "total"])
def test_periods_without_windows(name):
    """One window holds all of time."""
    assert ALWAYS == Period(name).window(us(2026, 1, 1))
    assert ALWAYS.holds(us(2026, 1, 1))


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "\x00"])
def test_unknown_time_zone(zone):
    """A zone that does not exist is named."""
    with pytest.raises(ValueError, match="there is no time zone"):
        Period("day", zone)
