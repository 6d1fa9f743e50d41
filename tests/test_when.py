"""Points and lengths of time as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.when import parse_ahead, parse_instant, parse_length, parse_when

NOW_US = 1_793_491_200_000_000
"""2026-11-01T00:00:00Z."""

H_US = 3_600_000_000


@pytest.mark.parametrize(
    ("text", "instant_us"),
    [
        ("2026-11-01", NOW_US),
        (" 2026-11-01T00:00:00Z ", NOW_US),
        ("2026-11-01T02:00+02:00", NOW_US),
        ("2026-10-31T23:59:59.999999", NOW_US - 1),
        ("1969-12-31T23:59:59.5Z", -500_000),
    ],
)
def test_instants(text, instant_us):
    """Dates and times are UTC where they name no zone, and exact to the microsecond."""
    assert instant_us == parse_instant(text)
    assert instant_us == parse_when(text, now_us=0)
    assert instant_us == parse_ahead(text, now_us=0)


@given(st.integers(0, 999_999), st.sampled_from("smhdw"))
def test_lengths(count, unit):
    """A length counts back from now, or ahead of it, or stands for itself."""
    length = parse_length(f"{count}{unit}")

    assert {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}[unit] * count * 10**6 == length
    assert NOW_US - length == parse_when(f"{count}{unit}", now_us=NOW_US)
    assert NOW_US + length == parse_ahead(f" {count}{unit}", now_us=NOW_US)


def test_now():
    """Only looking back has a word for now."""
    assert NOW_US == parse_when("now", now_us=NOW_US)
    with pytest.raises(ValueError, match="such as 90d or 12h"):
        parse_ahead("now", now_us=NOW_US)


@pytest.mark.parametrize("text", ["", "soon", "7", "-7d", "7 d", "1e3s", "9999999d", "2026-13-01", "²d"])
def test_nonsense(text):
    """What is neither is refused with the forms that are understood."""
    for parse, form in (
        (lambda: parse_when(text, now_us=0), "such as 7d"),
        (lambda: parse_ahead(text, now_us=0), "such as 90d"),
        (lambda: parse_instant(text), "2026-11-01"),
        (lambda: parse_length(text), "like 90s"),
    ):
        with pytest.raises(ValueError, match=form):
            parse()
