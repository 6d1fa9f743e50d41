"""Tags: one normalised set per request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.config import Tags
from bursar.errors import Refusal
from bursar.events import Principal
from bursar.policy.tags import MAX_NAME, MAX_TAGS, MAX_VALUE, normalise, normalise_name, normalise_value, tag

NOBODY = Principal()


def tagged(principal=NOBODY, defaults=(), body=(), headers=(), rules=None):
    return tag(
        principal,
        defaults=normalise(defaults),
        body=normalise(body),
        headers=normalise(headers),
        rules=rules or Tags(),
    )


def test_precedence():
    """Headers win over the body, the body over the key's defaults."""
    outcome = tagged(
        defaults=[("feature", "key"), ("environment", "key"), ("user", "key")],
        body=[("feature", "body"), ("user", "body")],
        headers=[("feature", "header")],
    )

    assert outcome.tags == (("environment", "key"), ("feature", "header"), ("user", "body"))


def test_team_of_the_key_stays():
    """A header fills in a team that the key leaves open, and cannot move spend away from one that it sets."""
    assert tagged(headers=[("team", "a")]).principal.team == "a"
    assert tagged(Principal(team="own"), headers=[("team", "a")]).principal.team == "own"


@pytest.mark.parametrize(
    ("spelt", "canonical"),
    [
        ("Use-Case", "use_case"),
        ("org", "organisation"),
        (" Env ", "environment"),
        ("a b", "a_b"),
        ("", None),
        ("ü", None),
    ],
)
def test_names(spelt, canonical):
    """Names have one spelling."""
    assert canonical == normalise_name(spelt)


@given(st.lists(st.tuples(st.text(), st.text())))
def test_any_input_is_tamed(pairs):
    """Whatever a caller sends, tags are few, short, printable, sorted and normal."""
    tags = tagged(headers=pairs).tags

    assert len(tags) <= MAX_TAGS
    assert list(tags) == sorted(tags)
    for name, value in tags:
        assert name == normalise_name(name)
        assert len(name) <= MAX_NAME
        assert value == normalise_value(value)
        assert 0 < len(value) <= MAX_VALUE


def test_required_tags_reject():
    """A missing required tag is refused with the header to send."""
    rules = Tags(required=("team", "use_case"), on_missing="reject")

    with pytest.raises(Refusal, match="x-bursar-team, x-bursar-use-case"):
        tagged(rules=rules)


def test_required_tags_mark():
    """Where the rules say mark, the request is admitted and says what it lacks."""
    outcome = tagged(rules=Tags(required=("team", "feature")), headers=[("feature", "a")])

    assert outcome.tags == (("feature", "a"), ("untagged", "team"))
    assert outcome.missing == ("team",)


def test_allowed_values():
    """A value outside the allowed ones counts as missing and the message lists them."""
    rules = Tags(allowed={"environment": ("prod", "dev")}, on_missing="reject")

    with pytest.raises(Refusal, match=r"one of prod, dev"):
        tagged(rules=rules, headers=[("env", "qa")])
    assert tagged(rules=rules, headers=[("env", "prod")]).tags == (("environment", "prod"),)
