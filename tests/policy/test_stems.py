"""What the names of budgets' accounts tell apart."""

import pytest
from msgspec import structs

from bursar.config import Budget
from bursar.policy.stems import stems_of

SEARCH = Budget(name="search", match={"team": "search"}, limit_usd="5", parent="all")
ALL = Budget(name="all", limit_usd="10")


def test_same_counting():
    """What only decides how much is allowed, and by which mode, leaves the account's name alone."""
    changed = structs.replace(
        SEARCH, limit_usd="50", mode="soft", thresholds=(90,), when_short="shrink", match={"team": ("search", "search")}
    )

    assert stems_of([SEARCH, ALL]) == stems_of([ALL, changed])


@pytest.mark.parametrize(
    "changes",
    [
        {"match": {"team": ("search", "ads")}},
        {"match": {"team": "search", "user": "*"}},
        {"per": ("user",)},
        {"period": "day"},
        {"time_zone": "Europe/Berlin"},
        {"period": "rolling", "window_s": 60.0},
        {"limit_usd": None, "limit_tokens": 5},
    ],
)
def test_another_counting(changes):
    """What decides which attempts count, and when, makes another account, of the envelopes above as well."""
    before = stems_of([SEARCH, ALL])
    after = stems_of([structs.replace(SEARCH, **changes), ALL])

    assert {"search", "all"} == {name for name in before if before[name] != after[name]}


def test_new_parent():
    """A budget that moves into an envelope changes what that counts, not what it counts itself."""
    before, after = stems_of([structs.replace(SEARCH, parent=None), ALL]), stems_of([SEARCH, ALL])

    assert before["search"] == after["search"]
    assert before["all"] != after["all"]
