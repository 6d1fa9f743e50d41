"""`bursar prices show`."""

import pytest


def test_every_card(bursar):
    """All cards of a model, found by an alias, with their dates and conditions."""
    result = bursar("prices", "show", "acme", "tiny")

    assert (0, "") == (result.code, result.err)
    bursar.golden("prices_show", result.out)


def test_tiers(bursar):
    """Context tiers are rows of their own."""
    rows = bursar("prices", "show", "acme", "large", "--format", "json").json()
    tiers = {(row["meter"], row["above_input_tokens"]): row["price_usd"] for row in rows}

    assert ("10.00", "20.00") == (tiers["input_text", None], tiers["input_text", 200_000])
    assert {True} == {row["in_force"] for row in rows}


def test_condition(bursar):
    """Only the card that a request under these conditions is charged by."""
    rows = bursar("prices", "show", "acme", "small", "--condition", "service_tier=priority", "--format", "csv").csv()

    assert {"service_tier=priority"} == {row["conditions"] for row in rows}
    assert "2.00" in {row["price_usd"] for row in rows}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("small", "--at", "2026-09-01"), "acme/small has no price at that time for ordinary"),
        (("small", "--condition", "service_tier=flex"), "acme/small has no price for service_tier=flex"),
        (("odd",), "acme/odd is charged by the mood"),
        (("huge",), "acme does not list a model named huge"),
    ],
)
def test_no_price(bursar, arguments, reason):
    """Where there is no price the reason is said, and the answer is no."""
    result = bursar("prices", "show", "acme", *arguments)

    assert (1, "") == (result.code, result.out)
    assert reason in result.err


def test_price_for_every_model(bursar):
    """A price for any model of a provider is shown for a model that no list knows."""
    pool = '[[providers]]\nname = "pool"\ndialect = "vllm"\nprices = "pool"\n'
    bursar.configure(pool + '[[prices]]\nprovider = "pool"\nmodel = "*"\nfree = true\n')
    rows = bursar("prices", "show", "pool", "anything", "--format", "json").json()

    assert {("*", "0.00", True)} == {(row["model"], row["price_usd"], row["in_force"]) for row in rows}


def test_negotiated_price(bursar):
    """Of two cards for the same condition the negotiated one is in force, and names the list card."""
    bursar.configure('[[prices]]\nprovider = "openai"\nmodel = "mini"\ndiscount_percent = "20"\n')
    rows = bursar("prices", "show", "openai", "mini", "--format", "json").json()
    force = {row["price_usd"] for row in rows if row["in_force"] and row["meter"] == "input_text"}

    assert {"0.12"} == force
    assert "list card" in bursar("prices", "show", "openai", "mini").out


def test_wrong_condition(bursar):
    """A condition that is no pair is wrong usage."""
    result = bursar("prices", "show", "acme", "small", "--condition", "priority")

    assert (2, True) == (result.code, "'priority' is not NAME=VALUE" in result.err)
