"""Sorted request heads: what they remember is what would be worked out again."""

from hypothesis import given
from hypothesis import strategies as st

from bursar.config import Tags
from bursar.errors import Refusal
from bursar.events import Principal
from bursar.gateway.headers import RequestHead
from bursar.policy.identity import Identity
from bursar.policy.tags import tag

NAMES = st.sampled_from(["team", "feature", "environment", "user"])
PAIRS = st.dictionaries(NAMES, st.sampled_from(["a", "b"]), max_size=3).map(lambda tags: tuple(sorted(tags.items())))
IDENTITIES = st.builds(Identity, st.builds(Principal, team=st.sampled_from(["", "own"])), PAIRS)
RULES = st.builds(
    Tags, required=st.lists(NAMES, max_size=1, unique=True), on_missing=st.sampled_from(["reject", "mark"])
)


def outcome(work):
    """What a way of tagging comes to, a refusal included."""
    try:
        return work()
    except Refusal as refused:
        return str(refused)


@given(PAIRS, st.lists(IDENTITIES, min_size=1, max_size=2), st.lists(RULES, min_size=1, max_size=2), st.data())
def test_tags_of_a_head_that_is_shared(headers, identities, rules, data):
    """Whoever called with the same head before, under whichever rules, the tags are the caller's own."""
    head = RequestHead((f"x-bursar-{name}".encode(), value.encode()) for name, value in headers)
    for _ in range(5):
        who, rule = data.draw(st.sampled_from(identities)), data.draw(st.sampled_from(rules))

        expected = outcome(lambda: tag(who.principal, defaults=who.tags, body=(), headers=headers, rules=rule))  # noqa: B023
        assert expected == outcome(lambda: head.tagged_for(who, rule))  # noqa: B023
