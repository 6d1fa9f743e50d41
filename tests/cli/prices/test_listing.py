"""`bursar prices list`."""


def test_table(bursar):
    """Every model with its price for a million tokens; those without one are counted."""
    result = bursar("prices", "list")

    assert result.code == 0
    bursar.golden("prices_list", result.out)
    assert "1 of 4 models have no ordinary price; --format json says why, in their note.\n" == result.err


def test_filters(bursar):
    """By provider, and by a part of the name in any case."""
    models = [row["model"] for row in bursar("prices", "list", "--provider", "acme", "--format", "json").json()]

    assert ["large", "odd", "small"] == models
    assert ["mini"] == [row["model"] for row in bursar("prices", "list", "--model", "MIN", "--format", "json").json()]


def test_configured_provider(bursar):
    """The name of a configured provider stands for its price list."""
    bursar.configure('[[providers]]\nname = "house"\ndialect = "openai"\nprices = "openai"\n')

    assert ["mini"] == [
        row["model"] for row in bursar("prices", "list", "--provider", "house", "--format", "csv").csv()
    ]


def test_own_prices_win(bursar):
    """A discount in the configuration is the price in force."""
    bursar.configure('[[prices]]\nprovider = "acme"\nmodel = "*"\ndiscount_percent = "50"\n')
    (row,) = bursar("prices", "list", "--model", "small", "--format", "json").json()

    assert ("0.50", "2.00") == (row["input_mtok_usd"], row["output_mtok_usd"])
    assert row["source"].startswith("configuration")


def test_reason(bursar):
    """A model without a price says why, and has no price rather than zero."""
    (row,) = bursar("prices", "list", "--model", "odd", "--format", "json").json()

    assert (None, "acme/odd is charged by the mood") == (row["input_mtok_usd"], row["note"])


def test_nothing_found(bursar):
    """No model is a "no", an unknown provider is wrong usage."""
    nothing = bursar("prices", "list", "--model", "huge")
    wrong = bursar("prices", "list", "--provider", "gamma")

    assert (1, "", "No model's name contains 'huge'.\n") == (nothing.code, nothing.out, nothing.err)
    assert (2, True) == (wrong.code, "there is one for acme, openai" in wrong.err)
