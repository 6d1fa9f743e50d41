"""Rules about tags: who must carry what, and what a request lacks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bursar.config import TagRule, Tags
from bursar.errors import Refusal
from bursar.policy.tag_rules import TagRules

TAGS = ("team", "feature", "environment", "workload")
VALUES = ("a", "b", "experiment")

FACTS = st.dictionaries(st.sampled_from(TAGS), st.sampled_from(("", *VALUES)))
STATED = {
    "required": st.lists(st.sampled_from(TAGS), max_size=2).map(tuple),
    "allowed": st.dictionaries(st.sampled_from(TAGS), st.just(("a", "exp*")), max_size=1),
    "patterns": st.dictionaries(st.sampled_from(TAGS), st.just("[a-z]{2,}|b"), max_size=1),
    "on_missing": st.sampled_from(["reject", "mark"]),
}
EVERYBODY = st.builds(Tags, **STATED)
RULE = st.builds(TagRule, match=st.dictionaries(st.sampled_from(TAGS), st.sampled_from(VALUES), max_size=2), **STATED)


def names(rules, facts, unfit=()):
    lacking = rules.lacking(facts, unfit)
    return () if lacking is None else lacking.names


def refusal(rules, facts, unfit=()):
    return rules.lacking(facts, unfit).refusal().message


@given(EVERYBODY, st.lists(RULE, max_size=4), FACTS, st.randoms(use_true_random=False))
def test_order_does_not_matter(everybody, rules, facts, random):
    """The same rules in another order find the same requests lacking the same tags, with the same end."""
    shuffled = [structs.replace(rule, name=f"r{number}") for number, rule in enumerate(rules)]
    one = TagRules(everybody, shuffled).lacking(facts)
    random.shuffle(shuffled)
    other = TagRules(everybody, shuffled).lacking(facts)

    assert (one is None) == (other is None)
    if one and other:
        assert (one.names, one.is_refused) == (other.names, other.is_refused)
        assert [set(lack.asked_by) for lack in one.lacks] == [set(lack.asked_by) for lack in other.lacks]


@given(EVERYBODY, st.lists(RULE, max_size=4), FACTS)
def test_mark_and_reject_find_the_same(everybody, rules, facts):
    """What is lacking does not depend on what then happens."""
    strict = TagRules(
        structs.replace(everybody, on_missing="reject"), [structs.replace(one, on_missing="reject") for one in rules]
    )
    lenient = TagRules(
        structs.replace(everybody, on_missing="mark"), [structs.replace(one, on_missing="mark") for one in rules]
    )

    assert names(strict, facts) == names(lenient, facts) == names(TagRules(everybody, rules), facts)
    assert all(
        one.lacking(facts) is None or one.lacking(facts).is_refused == (one is strict) for one in (strict, lenient)
    )


@given(EVERYBODY, st.lists(RULE, max_size=3), RULE, FACTS)
def test_more_rules_never_ask_for_less(everybody, rules, more, facts):
    """A further rule can add to what a request lacks and take nothing from it."""
    before, after = TagRules(everybody, rules), TagRules(everybody, [*rules, more])

    assert set(names(before, facts)) <= set(names(after, facts))


@given(EVERYBODY, st.lists(RULE, max_size=3), FACTS)
def test_empty_rules_ask_for_nothing(everybody, rules, facts):
    """Rules that call themselves empty can be skipped."""
    compiled = TagRules(everybody, rules)

    assert not compiled.is_empty or compiled.lacking(facts) is None


@pytest.mark.parametrize("stated", [{"required": ("a",)}, {"allowed": {"a": ("x",)}}, {"patterns": {"a": "x"}}])
def test_no_rules_are_empty_that_ask(stated):
    """Whatever asks for something, for everybody or for some, is not skipped."""
    assert TagRules().is_empty
    assert not TagRules(Tags(**stated)).is_empty
    assert not TagRules(rules=[TagRule(**stated)]).is_empty


def test_required_and_who_asks():
    """A refusal names each tag, its header, what it may be, and every rule that asks for it."""
    rules = TagRules(
        Tags(required=("team", "use_case"), allowed={"team": ("search", "ops")}, on_missing="reject"),
        [TagRule(name="prod", match={"environment": "production"}, required=("use-case",))],
    )

    assert (
        "This request is not tagged as required. team is missing: send x-bursar-team, one of search, ops "
        "(asked for by [tags]); use_case is missing: send x-bursar-use-case (asked for by [tags] and "
        "[[tag_rules]] 'prod')."
    ) == refusal(rules, {"environment": "production"})


def test_values_and_patterns():
    """A value is allowed when it is listed or of the pattern; the message says both."""
    rules = TagRules(Tags(allowed={"env": ("production", "eu-*")}, patterns={"environment2": "x"}))
    both = TagRules(Tags(allowed={"env": ("production",)}, patterns={"env": "dev-[a-z]+"}, on_missing="reject"))

    assert () == names(rules, {"environment": "eu-1", "environment2": "x"})
    assert ("environment", "environment2") == names(rules, {"environment": "qa", "environment2": "y"})
    assert [(), (), ("environment",)] == [
        names(both, {"environment": value}) for value in ("production", "dev-ann", "dev-")
    ]
    assert (
        "environment may not be 'qa': send x-bursar-environment, one of production or of the pattern dev-[a-z]+ "
        "(asked for by [tags])."
    ) in refusal(both, {"environment": "qa"})


def test_strictest_wins():
    """One matching rule that says reject refuses whatever is lacking; one that does not match changes nothing."""
    rules = TagRules(Tags(required=("feature",)), [TagRule(match={"environment": "production"}, on_missing="reject")])

    assert rules.lacking({"environment": "production"}).is_refused
    assert not rules.lacking({"environment": "dev"}).is_refused


def test_match():
    """A rule goes by anything that budgets go by, and by tags in any spelling."""
    rules = TagRules(
        rules=[
            TagRule(match={"Env": "production"}, required=("feature",)),
            TagRule(match={"key": "batch-*", "model": ("gpt-4o", "gpt-5")}, required=("customer",)),
        ]
    )

    assert ("customer",) == names(rules, {"key": "batch-7", "model": "gpt-5"})
    assert () == names(rules, {"key": "web", "model": "gpt-5"})
    assert ("customer", "feature") == names(rules, {"environment": "production", "key": "batch-7", "model": "gpt-5"})
    assert ("feature",) == names(rules, {"environment": "production"})


def test_unfit_built_in_values():
    """A value that a built-in tag does not have is lacking without any rule, and refused where rules say reject."""
    unfit = (("workload", "prod"),)

    assert ("workload",) == names(TagRules(), {}, unfit)
    assert not TagRules().lacking({}, unfit).is_refused
    strict = TagRules(Tags(required=("workload",), on_missing="reject"))
    assert "workload may not be 'prod': send x-bursar-workload, one of production, experiment, background" in refusal(
        strict, {}, unfit
    )


def test_missing_built_in():
    """The values of a built-in tag need not be stated to be told."""
    rules = TagRules(Tags(required=("traffic",), on_missing="reject"))

    assert "send x-bursar-traffic, one of user-facing, background (asked for by [tags])" in refusal(rules, {})


def test_aliases_and_defaults():
    """Names in rules may be spelt any way; defaults come out normalised under the tag's name."""
    rules = TagRules(
        Tags(aliases={"Cost-Centre": "project"}, required=("cost_centre",), defaults={"Workload": "Experiment"})
    )

    assert ("project",) == names(rules, {})
    assert ({"cost_centre": "project"}, (("workload", "experiment"),)) == (rules.aliases, rules.defaults)


@pytest.mark.parametrize(
    ("tags", "rule", "reason"),
    [
        ({"required": ("ü",)}, {}, r"\[tags\]: 'ü' cannot be the name of a tag"),
        ({"required": ("model",)}, {}, r"'model' is not a tag"),
        ({"required": ("untagged",)}, {}, r"'untagged' is not a tag"),
        ({"patterns": {"a": "(a)\\1"}}, {}, r"\[tags\]: 'a': pattern .* is not supported"),
        ({"allowed": {"env": ("a",)}, "patterns": {"environment": "b"}}, {}, "two spellings"),
        ({"defaults": {"workload": "often"}}, {}, "'often' is not an allowed value of 'workload'"),
        ({"defaults": {"a": "x"}, "allowed": {"a": ("y",)}}, {}, "'x' is not an allowed value of 'a'"),
        ({"defaults": {"env": "x", "environment": "y"}}, {}, "a tag twice"),
        ({"defaults": {"a": " "}}, {}, "without a value"),
        ({"aliases": {"a": "b", "b": "c"}}, {}, "'b' is an alias itself"),
        ({"aliases": {"team": "b"}}, {}, "'team' is a tag of its own"),
        ({"aliases": {"env": "environment"}}, {}, "the same name"),
        ({"aliases": {"a": "untagged"}}, {}, "does not name a tag"),
        ({}, {"patterns": {"a": "["}}, r"\[\[tag_rules\]\] 'tag-rule-1': 'a'"),
        ({}, {"match": {"ü": "a"}}, r"\[\[tag_rules\]\] 'tag-rule-1': 'ü'"),
        ({}, {"name": "x", "required": ("key",)}, r"\[\[tag_rules\]\] 'x': 'key' is not a tag"),
    ],
)
def test_rules_that_make_no_sense(tags, rule, reason):
    """An error at start names the rule and what is wrong with it."""
    with pytest.raises(ValueError, match=reason):
        TagRules(Tags(**tags), [TagRule(**rule)])


def test_refusal_code():
    """The refusal is `missing_tags`, answered with 400."""
    got = TagRules(Tags(required=("team",))).lacking({}).refusal()

    assert isinstance(got, Refusal)
    assert ("missing_tags", 400) == (got.code, got.status)
