"""What a virtual key may be used for."""

import pytest

from bursar.config import KeyGrant
from bursar.errors import Refusal
from bursar.events import Principal
from bursar.policy.network import parse_address
from bursar.policy.scope import scope_of

TEAM = Principal(team="search", key="ci")


def scope(**terms):
    """The scope of a key with these terms."""
    found = scope_of(KeyGrant(name="ci", **terms))
    assert found is not None
    return found


def refusal_of(check, *arguments, **more) -> tuple[str, str]:
    """Code and message of the refusal that a check raises."""
    with pytest.raises(Refusal) as refusal:
        check(*arguments, **more)
    assert 403 == refusal.value.status
    return refusal.value.code, refusal.value.message


def test_no_restriction_no_scope():
    """A key that may do everything has no scope."""
    assert None is scope_of(KeyGrant(name="ci", team="search", tags={"feature": "a"}))


@pytest.mark.parametrize("model", ["gpt-5-mini", "gpt-5", "o3"])
def test_allowed_models(model):
    """Names and patterns are allowed."""
    scope(models=("gpt-5*", "o3")).check_model(model, is_needed=True)


@pytest.mark.parametrize("model", ["gpt-4o", "o3-pro", "", "GPT-5"])
def test_other_models(model):
    """Everything else is refused with the name of the key, the model and what is allowed."""
    code, message = refusal_of(scope(models=("gpt-5*", "o3")).check_model, model, is_needed=True)

    assert "model_not_allowed" == code
    assert all(part in message for part in ("'ci'", f"'{model}'", "gpt-5*, o3", "ask your platform team"))


def test_request_without_a_model():
    """What names no model is refused where one would be charged for, and let through where none is."""
    limited = scope(models=("gpt-5*",))
    limited.check_model(None, is_needed=False)

    assert "names no model" in refusal_of(limited.check_model, None, is_needed=True)[1]


def test_other_restrictions_leave_models_alone():
    """A key that is restricted in something else may use every model, named or not."""
    scope(routes=("openai",)).check_model(None, is_needed=True)


@pytest.mark.parametrize("routes", [("openai",), ("chat.completions",), ("chat.*",), ("open*",), ("embeddings", "*")])
def test_allowed_routes(routes):
    """A route is allowed by its dialect or by its operation."""
    scope(routes=routes).check_route("openai", "chat.completions")


def test_other_routes():
    """Other routes are refused."""
    code, message = refusal_of(scope(routes=("embeddings",)).check_route, "openai", "chat.completions")

    assert "route_not_allowed" == code
    assert all(part in message for part in ("'ci'", "chat.completions (openai)", "it may call embeddings"))


def test_tags():
    """Values of a restricted tag are held against the list; other tags, and none at all, are free."""
    limited = scope(allow_tags={"env": ("prod", "canary-*"), "team": ("search",)})
    limited.check_tags(TEAM, (("environment", "canary-7"), ("feature", "x")))
    limited.check_tags(TEAM, ())
    code, message = refusal_of(limited.check_tags, TEAM, (("environment", "dev"),))

    assert "tag_not_allowed" == code
    assert all(part in message for part in ("'ci'", "environment to 'dev'", "prod, canary-*", "x-bursar-environment"))


def test_tags_say_who_pays():
    """Team, project and organisation are restricted like tags."""
    limited = scope(allow_tags={"team": ("ads", "maps")})

    assert "team to 'search'" in refusal_of(limited.check_tags, TEAM, ())[1]


def test_tag_without_allowed_values():
    """An empty list allows no value."""
    assert "tag_not_allowed" == refusal_of(scope(allow_tags={"user": ()}).check_tags, TEAM, (("user", "u"),))[0]


def test_networks():
    """A key is refused outside its networks, and where the address is unknown."""
    limited = scope(networks=("10.0.0.0/8", "2001:db8::/32"))
    limited.check_network(parse_address("10.1.2.3"))
    limited.check_network(parse_address("2001:db8::5"))
    code, message = refusal_of(limited.check_network, parse_address("192.0.2.1"))

    assert "network_not_allowed" == code
    assert all(part in message for part in ("'ci'", "192.0.2.1", "10.0.0.0/8, 2001:db8::/32"))
    assert "an unknown address" in refusal_of(limited.check_network, None)[1]
