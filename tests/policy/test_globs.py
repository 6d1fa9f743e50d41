"""Lists of names and patterns."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.policy.globs import Patterns

TEXT = st.text("ab*.", max_size=8)


@given(st.lists(TEXT, max_size=3), st.text("ab.\n", max_size=10))
def test_star_is_any_run(texts, value):
    """A pattern matches what the regular expression with `.*` for each star matches."""
    plain = [".*".join(map(re.escape, text.split("*"))) for text in texts]

    assert any(re.fullmatch(one, value, re.DOTALL) for one in plain) == Patterns.of(texts).matches(value)


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("gpt-5*", "gpt-5-mini", True),
        ("gpt-5*", "xgpt-5", False),
        ("*-mini", "gpt-5-mini", True),
        ("a*a", "a", False),
        ("*", "", True),
        ("*aa*aa*", "aaa", False),
        ("*aa*aa*", "aaaa", True),
        ("gpt-5", "GPT-5", False),
        ("gpt-?", "gpt-5", False),
        ("[ab]", "a", False),
    ],
)
def test_examples(pattern, value, fits):
    """Only the star is special, and case counts."""
    assert fits == Patterns.of([pattern]).matches(value)


def test_many_stars_are_no_trap():
    """A pattern of many stars takes no time over a long value that almost fits."""
    assert not Patterns.of(["*a" * 30 + "*b"]).matches("a" * 20_000)


def test_nothing_matches_nothing():
    """An empty list has no member."""
    assert not Patterns.of([]).matches("")
