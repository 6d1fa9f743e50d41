"""Tags: one normalised set per request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.events import Principal
from bursar.policy.tags import (
    BUILT_IN,
    MAX_NAME,
    MAX_TAGS,
    MAX_VALUE,
    UNTAGGED,
    marked,
    normalise,
    normalise_name,
    normalise_value,
    renamed,
    tag,
)

NOBODY = Principal()

NAMES = st.sampled_from(["feature", "Environment", "use-case", "user_id", "a", "b", "squad", "cost centre"])
SOURCES = st.lists(st.tuples(NAMES, st.text("xyz", min_size=1, max_size=3)), max_size=6)
ALIASES = {"squad": "feature", "b": "environment", "cost_centre": "project"}


def tagged(principal=NOBODY, defaults=(), body=(), headers=(), aliases=None):
    return tag(
        principal,
        defaults=normalise(defaults),
        body=normalise(body),
        headers=normalise(headers),
        aliases=aliases,
    )


def test_precedence():
    """Headers win over the body, the body over the key's defaults."""
    outcome = tagged(
        defaults=[("feature", "key"), ("environment", "key"), ("user", "key")],
        body=[("feature", "body"), ("user", "body")],
        headers=[("feature", "header")],
    )

    assert outcome.tags == (("environment", "key"), ("feature", "header"), ("user", "body"))


@given(SOURCES, SOURCES, SOURCES, SOURCES)
def test_precedence_law(gateway, key, body, headers):
    """Each tag has the value of the strongest source that names it: headers, body, key, gateway."""
    sources = [dict(renamed(normalise(source), ALIASES)) for source in (gateway, key, body, headers)]
    merged = sources[0] | sources[1] | sources[2] | sources[3]
    project = merged.pop("project", "")
    outcome = tag(
        NOBODY,
        fallbacks=renamed(normalise(gateway), ALIASES),
        defaults=normalise(key),
        body=normalise(body),
        headers=normalise(headers),
        aliases=ALIASES,
    )

    assert (tuple(sorted(merged.items())), project) == (outcome.tags, outcome.principal.project)


@given(st.lists(st.tuples(st.one_of(NAMES, st.text()), st.text())))
def test_normalisation_is_idempotent(pairs):
    """What is normal stays as it is, aliases included."""
    once = normalise(pairs)
    aliased = renamed(once, ALIASES)

    assert once == normalise(once)
    assert aliased == renamed(aliased, ALIASES)
    assert tag(NOBODY, defaults=(), body=(), headers=once).tags == tag(NOBODY, defaults=once, body=(), headers=()).tags


def test_own_name_wins_over_an_alias():
    """Within one source a tag's own name wins, however the two are sorted; a stronger source wins either way."""
    aliases = {"a_feature": "feature", "z_feature": "feature"}

    assert (("feature", "own"),) == tagged(headers=[("feature", "own"), ("z_feature", "z")], aliases=aliases).tags
    assert (("feature", "own"),) == tagged(headers=[("a_feature", "a"), ("feature", "own")], aliases=aliases).tags
    assert (("feature", "z"),) == tagged(body=[("feature", "own")], headers=[("z-feature", "z")], aliases=aliases).tags


def test_team_of_the_key_stays():
    """A header fills in a team that the key leaves open, and cannot move spend away from one that it sets."""
    assert tagged(headers=[("team", "a")]).principal.team == "a"
    assert tagged(Principal(team="own"), headers=[("team", "a")]).principal.team == "own"


@pytest.mark.parametrize("source", ["defaults", "body", "headers"])
def test_nobody_marks_themselves(source):
    """What says that a request lacks tags cannot be set from outside, or coverage would be the caller's to state."""
    assert () == tagged(**{source: [(UNTAGGED, "feature")]}).tags


@pytest.mark.parametrize("source", ["body", "headers"])
def test_flood_does_not_push_out_defaults(source):
    """A default, by which a budget may match, stays however many tags a caller sends."""
    flood = [(f"t{number}", "x") for number in range(MAX_TAGS)]
    tags = dict(tagged(defaults=[("environment", "production")], **{source: flood}).tags)

    assert ("production", MAX_TAGS) == (tags["environment"], len(tags))


@pytest.mark.parametrize("source", ["body", "headers"])
def test_flood_does_not_freeze_defaults(source):
    """However many tags there are, one that has a default is overridden as ever."""
    flood = [*((f"t{number}", "x") for number in range(MAX_TAGS - 1)), ("zone", "dev")]
    tags = dict(tagged(defaults=[("user", "u"), ("zone", "production")], **{source: flood}).tags)

    assert ("u", "dev", MAX_TAGS) == (tags["user"], tags["zone"], len(tags))


def test_body_does_not_push_out_headers():
    """Headers have room before the body's metadata."""
    flood = [(f"t{number}", "x") for number in range(MAX_TAGS)]

    assert "a" == dict(tagged(body=flood, headers=[("feature", "a")]).tags)["feature"]


@pytest.mark.parametrize(
    ("spelt", "canonical"),
    [("User-Facing", "user-facing"), ("user_facing", "user-facing"), ("user facing", "user-facing")],
)
def test_built_in_values(spelt, canonical):
    """Values of the built-in tags have one spelling."""
    assert (("traffic", canonical),) == tagged(headers=[("traffic", spelt)]).tags


@pytest.mark.parametrize("name", BUILT_IN)
def test_unfit_built_in_value(name):
    """A value that a built-in tag does not have is left out, so that policy never meets it, and told."""
    outcome = tagged(headers=[(name, "Sometimes"), ("feature", "a")])

    assert ((("feature", "a"),), ((name, "sometimes"),)) == (outcome.tags, outcome.unfit)


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


@given(st.text(min_size=200, max_size=300))
def test_values_are_idempotent(text):
    """A value that was cut is not cut again."""
    once = normalise_value(text)

    assert once == normalise_value(once)


def test_marked():
    """The mark lists what is lacking and is sorted in."""
    assert (("feature", "a"), ("untagged", "team,user"), ("user", "u")) == marked(
        (("feature", "a"), ("user", "u")), ("team", "user")
    )
