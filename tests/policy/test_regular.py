"""Patterns of tag values: what `re` says, without its worst case."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.policy.regular import MAX_POSITIONS, Regular

ALPHABET = "ab-1"

ONES = st.sampled_from(["a", "b", "-", "1", ".", "[ab]", "[^a]", "[a-b-]", r"\d", r"\w", r"\-", r"[\d-]", "[]a]"])
REPEATS = st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{,2}", "{0,3}"])
PATTERNS = st.recursive(
    ONES,
    lambda inner: st.one_of(
        st.builds("({}){}".format, inner, REPEATS),
        st.builds("(?:{}|{})".format, inner, inner),
        st.builds("({}|)".format, inner),
        st.lists(inner, max_size=3).map("".join),
    ),
    max_leaves=6,
)


@given(PATTERNS, st.lists(st.text(ALPHABET, max_size=8), max_size=8))
def test_same_as_re(pattern, values):
    """A value is of a pattern exactly when `re` says so."""
    mine, theirs = Regular(pattern), re.compile(pattern)

    assert [theirs.fullmatch(value) is not None for value in values] == [mine.matches(value) for value in values]


@given(PATTERNS, st.data())
def test_what_re_would_generate(pattern, data):
    """Values made from a pattern are of it."""
    value = data.draw(st.from_regex(re.compile(pattern), fullmatch=True, alphabet=ALPHABET))

    assert Regular(pattern).matches(value)


@pytest.mark.parametrize(
    ("pattern", "value", "is_match"),
    [
        ("[a-z]+(-[a-z0-9]+)*", "search-v2", True),
        ("[a-z]+(-[a-z0-9]+)*", "search-", False),
        ("^CC-[0-9]{4}$", "CC-1234", True),
        ("^CC-[0-9]{4}$", "CC-12345", False),
        (r"price\$", "price$", True),
        ("prods?", "prod", True),
        ("prod|dev", "prod", True),
        ("prod|dev", "produce", False),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_whole_value(pattern, value, is_match):
    """The whole value must be of the pattern, with or without anchors."""
    assert is_match == Regular(pattern).matches(value)


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "(a|aa)+b", ".*.*.*.*.*x", "(a?){60}b"])
def test_no_blow_up(pattern):
    """A value that would take `re` longer than the age of the universe takes a few thousand steps."""
    regular = Regular(pattern)

    assert not regular.matches("a" * 256)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(a)\1", "not supported"),
        ("(?=a)b", "not supported"),
        ("(?P<x>a)", "not supported"),
        (r"\bword", "not supported"),
        ("a^b", "not supported"),
        ("a*?", "a repeat follows a repeat"),
        ("*a", "nothing to repeat"),
        ("(*a)", "nothing to repeat"),
        ("(a", "not closed"),
        ("a)", "closes nothing"),
        ("[a", "not supported"),
        ("[b-a]", "bad character range"),
        ("a{}", "no count"),
        ("a{,}", "no count"),
        ("a{3,2}", "ends before it begins"),
        ("a{999}", "at most"),
        ("((((){99}){99}){99}){99}", "at most"),
    ],
)
def test_refused_pattern(pattern, reason):
    """What cannot be matched in linear time, or is no pattern, is an error that says why."""
    with pytest.raises(ValueError, match=reason):
        Regular(pattern)


def test_memory_is_bounded():
    """However many different characters go by, what is remembered stays small."""
    regular = Regular("[^a]*")

    assert all(regular.matches(chr(point) * 2) for point in range(0x4E00, 0x4E00 + 10_000))
    assert len(regular._steps) <= 4096
    assert len(regular._masks) <= 4096
    assert MAX_POSITIONS >= len(regular._follow)
