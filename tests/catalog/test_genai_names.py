"""Which names of a model become table entries."""

from genai_prices.types import (
    ClauseContains,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    ModelInfo,
    Provider,
)

from bursar.catalog.genai_names import NameRules


def model(name: str, *clauses) -> ModelInfo:
    """A model that claims names by these clauses."""
    return ModelInfo(id=name, match=ClauseOr(or_=list(clauses)))


def rules(provider: str, *models: ModelInfo) -> NameRules:
    """The rules of one provider."""
    return NameRules([Provider(id=provider, name=provider, api_pattern="", models=list(models))])


def test_equals_is_an_alias():
    """A name that a clause spells out is an alias; the id itself is none."""
    one = model("one", ClauseEquals("one"), ClauseEquals("uno"))

    assert rules("acme", one).aliases("acme", one) == ("uno",)


def test_name_of_two_models():
    """A name that two models claim is nobody's."""
    one = model("one", ClauseEquals("one"), ClauseEquals("shared"), ClauseStartsWith("fam"))
    two = model("two", ClauseEquals("shared"), ClauseContains("fam-2"))
    both = rules("acme", one, two)

    assert both.aliases("acme", one) == ("fam-latest",)
    assert both.aliases("acme", two) == ()
    assert both.shapes("acme", one) == ("fam@YYYYMMDD",)
    assert both.shapes("acme", two) == ()


def test_dates_the_clause_allows():
    """Only the forms of date a clause accepts, on every day, become shapes."""
    compact = model("one", ClauseEquals("one"), ClauseRegex(r"^one-\d{8}$"))
    one_year = model("two", ClauseStartsWith("two-2025"))

    assert rules("acme", compact).shapes("acme", compact) == ("one-YYYYMMDD",)
    assert "two-YYYYMMDD" not in rules("acme", one_year).shapes("acme", one_year)


def test_closed_model_has_no_dates():
    """A model that only spells names out has no dated snapshots."""
    one = model("one", ClauseEquals("one"), ClauseEquals("one-2024-01-01"))

    assert rules("acme", one).shapes("acme", one) == ()


def test_bedrock_names():
    """A Bedrock literal is completed with versions and the US profile, and with no other geography."""
    nova = model("amazon.nova-v1:0", ClauseContains("amazon.nova"))
    aliases = rules("aws", nova).aliases("aws", nova)

    assert {"amazon.nova", "amazon.nova-v2:0", "us.amazon.nova", "us.amazon.nova-v1:0"} <= set(aliases)
    assert not [name for name in aliases if name.startswith(("eu.", "global.", "us.us."))]


def test_folded():
    """Providers whose ids hold capitals compare without regard to case, and Azure does."""
    providers = [
        Provider(id=name, name=name, api_pattern="", models=[model(ident, ClauseEquals(ident))])
        for name, ident in (("lower", "small"), ("upper", "Org/Small"))
    ]

    assert NameRules(providers).folded() == ("azure", "upper")
