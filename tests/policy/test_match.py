"""From facts to the rules that match them."""

import fnmatch
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from bursar.policy.match import Index

NAMES = st.sampled_from(["team", "user", "model", "key"])
VALUES = st.sampled_from(["", "a", "b", "ab", "gpt-5", "gpt-5-mini", "*", "gpt-*", "a*", "*5*mini"])
MATCHES = st.dictionaries(NAMES, st.one_of(VALUES, st.lists(VALUES, max_size=3).map(tuple)))
FACTS = st.dictionaries(NAMES, st.sampled_from(["", "a", "b", "ab", "gpt-5", "gpt-5-mini", "x"]))


def is_matched(match, facts):
    """The definition."""
    return all(
        any(fnmatch.fnmatchcase(facts.get(name, ""), one) for one in ((value,) if isinstance(value, str) else value))
        for name, value in match.items()
    )


class Counting(Mapping):
    """Facts that count how often they are looked at."""

    def __init__(self, facts):
        self._facts = facts
        self.looks = 0

    def __getitem__(self, name):
        self.looks += 1
        return self._facts[name]

    def __len__(self):
        return len(self._facts)

    def __iter__(self):
        return iter(self._facts)


@given(st.lists(MATCHES), FACTS)
def test_equals_a_filter(matches, facts):
    """The index finds what a look at every rule would find, in the same order."""
    found = Index((match, position) for position, match in enumerate(matches)).find(facts)

    assert [position for position, match in enumerate(matches) if is_matched(match, facts)] == found


def test_cost_is_that_of_the_shapes():
    """Ten thousand rules of three shapes are found with as many looks as three rules."""

    def looks(rules):
        shapes = ({"team": "t{}"}, {"user": "u{}"}, {"team": "t{}", "model": "m*"})
        index = Index(
            ({name: text.format(number) for name, text in shape.items()}, number)
            for number in range(rules)
            for shape in shapes
        )
        facts = Counting({"team": "t0", "user": "u0", "model": "m1"})
        assert [0, 0, 0] == index.find(facts)
        return facts.looks

    assert looks(1) == looks(10_000)


def test_many_alternatives():
    """A rule of many alternatives in many dimensions is found without a place for every combination."""
    names = [f"n{number}" for number in range(8)]
    values = tuple(str(number) for number in range(50))
    index = Index([(dict.fromkeys(names, values), "wide")])

    assert ["wide"] == index.find(dict.fromkeys(names, "49"))
    assert [] == index.find({**dict.fromkeys(names, "49"), "n3": "50"})


def test_no_rules():
    """An empty index finds nothing."""
    assert [] == Index([]).find({"team": "a"})
