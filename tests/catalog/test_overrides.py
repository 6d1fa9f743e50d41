"""The configuration's own prices."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.catalog.load import compose
from bursar.catalog.overrides import override_cards
from bursar.catalog.rates import known_rates
from bursar.catalog.sheet import ModelNames, Sheet
from bursar.catalog.snapshot import Catalog, NoPrice, build_catalog
from bursar.config import Config, Price, Provider, parse_config
from bursar.errors import ConfigError
from bursar.price import Rate, cost
from bursar.usage import Meter, usage_of
from support.cards import make_card

DAY_US = 86_400_000_000
BATCH = (("processing", "batch"),)

LISTED = Sheet(
    cards=(
        make_card("small", above={1000: {"input_mtok": "2", "output_mtok": "8"}}),
        make_card("small", usd={"input_mtok": "0.5", "output_mtok": "2"}, conditions=BATCH),
        make_card("large", usd={"input_mtok": "9", "output_mtok": "30"}),
        make_card("phi", provider="azure", conditions=(("deployment", "global"),)),
    ),
    models=(ModelNames("acme", "small", aliases=("tiny",)),),
)

PROVIDERS = (
    Provider(name="acme-eu", dialect="openai", prices="acme"),
    Provider(name="box", dialect="vllm"),
)


def catalog_with(toml: str) -> Catalog:
    """The listed prices below these entries."""
    config = parse_config(toml, source="test")
    config = Config(providers=PROVIDERS, prices=config.prices, aliases=config.aliases)
    return build_catalog(compose(config, LISTED, now_us=7))


def input_rate(catalog: Catalog, model: str, **facts) -> Rate | None:
    """The rate of a text input token, or ``None`` without a price."""
    found = catalog.resolve(facts.pop("provider", "acme"), model, at_us=facts.pop("at_us", 0), **facts)
    return None if isinstance(found, NoPrice) else found.card.rates.by_meter[Meter.INPUT_TEXT]


def test_discount_covers_everything():
    """A discount on `*` reduces every rate of every model, variant and tier, and names the list card."""
    catalog = catalog_with('[[prices]]\nprovider = "acme"\nmodel = "*"\ndiscount_percent = "10"')
    small = catalog.resolve("acme", "small", at_us=0).card

    assert Rate(900_000) == input_rate(catalog, "small")
    assert Rate(450_000) == input_rate(catalog, "small", conditions=BATCH)
    assert Rate(8_100_000) == input_rate(catalog, "large")
    assert Rate(1_800_000) == small.tiers[0].rates.by_meter[Meter.INPUT_TEXT]
    assert LISTED.cards[0].id == small.list_card
    assert small.known_at_us == 7
    assert Rate(1_000_000) == input_rate(catalog, "phi", provider="azure", conditions=(("deployment", "global"),))


@given(st.decimals(0, 100, places=3))
def test_discount_is_exact(percent):
    """A discounted rate is the list rate times the rest of the percentage, without rounding."""
    price = Price(provider="acme", model="*", discount_percent=f"{percent:f}")
    cards = override_cards(Config(prices=(price,)), LISTED, known_at_us=0)
    listed = {card.id: card for card in LISTED.cards}

    for card in cards:
        for meter, rate in known_rates(card.rates).items():
            base = known_rates(listed[card.list_card].rates)[meter]
            assert Fraction(rate.pico, rate.per) * 100 == Fraction(base.pico, base.per) * (100 - Fraction(percent))


def test_discount_period():
    """A discount holds from its first day to just before its last, and leaves the list price around it."""
    catalog = catalog_with(
        '[[prices]]\nprovider = "acme"\nmodel = "large"\ndiscount_percent = "50"\n'
        'valid_from = "1970-01-02"\nvalid_to = "1970-01-03T00:00:00Z"'
    )

    assert [
        input_rate(catalog, "large", at_us=at).pico / 1e6 for at in (DAY_US - 1, DAY_US, 2 * DAY_US - 1, 2 * DAY_US)
    ] == [9, 4.5, 4.5, 9]


def test_discount_outside_list_period():
    """A discount that ends where the only list price begins would do nothing, and is refused."""
    entry = Price(provider="acme", model="new", discount_percent="5", valid_to="1970-01-02")
    listed = Sheet(cards=(make_card("new", valid=(DAY_US, None)),))

    with pytest.raises(ConfigError, match="no list holds"):
        override_cards(Config(prices=(entry,)), listed, known_at_us=0)


def test_own_price():
    """A stated price replaces the list's, covers what its meters cover, and leaves the rest unknown."""
    catalog = catalog_with(
        '[[prices]]\nprovider = "acme"\nmodel = "small"\n'
        'usd = { input_text = "3", input_audio = "5", output_text = "6", searches = "0.01" }'
    )
    card = catalog.resolve("acme", "small", at_us=0).card

    assert known_rates(card.rates) == {
        Meter.INPUT_TEXT: Rate(3_000_000),
        Meter.INPUT_AUDIO: Rate(5_000_000),
        Meter.INPUT_IMAGE: Rate(3_000_000),
        Meter.INPUT_VIDEO: Rate(3_000_000),
        Meter.TOOL_INPUT: Rate(3_000_000),
        Meter.OUTPUT_TEXT: Rate(6_000_000),
        Meter.OUTPUT_REASONING: Rate(6_000_000),
        Meter.OUTPUT_AUDIO: Rate(6_000_000),
        Meter.OUTPUT_IMAGE: Rate(6_000_000),
        Meter.OUTPUT_VIDEO: Rate(6_000_000),
        Meter.SEARCHES: Rate(10_000_000_000),
        Meter.REQUESTS: Rate(0),
    }
    assert LISTED.cards[0].id == card.list_card
    assert Rate(500_000) == input_rate(catalog, "small", conditions=BATCH)


def test_own_price_for_condition():
    """A price for a tier the list does not have makes that tier priced, and no other."""
    catalog = catalog_with(
        '[[prices]]\nprovider = "acme"\nmodel = "small"\nusd = { input_text = "3" }\n'
        'conditions = { service_tier = "priority" }'
    )

    assert Rate(3_000_000) == input_rate(catalog, "small", conditions=(("service_tier", "priority"),))
    assert input_rate(catalog, "small", conditions=(("service_tier", "flex"),)) is None
    assert Rate(1_000_000) == input_rate(catalog, "small")


@pytest.mark.parametrize(
    ("conditions", "priced"),
    [("", ["regional", "datazone", "global"]), ('conditions = { deployment = "regional" }', ["regional"])],
)
def test_own_price_at_azure(conditions, priced):
    """At Azure a stated price holds for every kind of deployment, or for the one it names."""
    catalog = catalog_with(f'[[prices]]\nprovider = "azure"\nmodel = "phi"\nusd = {{ input_text = "3" }}\n{conditions}')

    assert priced == [
        kind
        for kind in ("regional", "datazone", "global")
        if input_rate(catalog, "phi", provider="azure", conditions=(("deployment", kind),)) == Rate(3_000_000)
    ]


def test_free():
    """A free model costs an explicit zero whatever it uses and whatever its tier."""
    catalog = catalog_with('[[prices]]\nprovider = "acme"\nmodel = "small"\nfree = true')
    card = catalog.resolve("acme", "small", conditions=(("speed", "ludicrous"),), at_us=0).card

    assert cost(usage_of(dict.fromkeys(Meter, 3)), card).total == 0


def test_gpu_time():
    """GPU time is charged by the millisecond, by the share one request has of the GPUs; tokens cost nothing more."""
    catalog = catalog_with(
        '[[prices]]\nprovider = "box"\nmodel = "*"\ngpu_hour_usd = "3.60"\ngpus = 4\nconcurrency = 8'
    )
    found = catalog.resolve("vllm", "llama", at_us=0, credential="box")
    used = usage_of({Meter.INPUT_TEXT: 1000, Meter.OUTPUT_TEXT: 10, Meter.GPU_MS: 2000})

    assert cost(used, found.card).total == 1_000_000_000
    assert isinstance(catalog.resolve("vllm", "llama", at_us=0, credential="other"), NoPrice)


def test_specific_entry_wins():
    """A credential's entry beats everybody's, a model's beats `*`, whatever the order in the file."""
    entries = [
        ('model = "small"\ncredential = "acme-eu"', "40"),
        ('model = "*"\ncredential = "acme-eu"', "30"),
        ('model = "small"', "20"),
        ('model = "*"', "10"),
    ]
    toml = "\n".join(
        f'[[prices]]\nprovider = "acme"\n{which}\ndiscount_percent = "{percent}"' for which, percent in entries
    )
    catalog = catalog_with(toml)

    assert Rate(600_000) == input_rate(catalog, "small", credential="acme-eu")
    assert Rate(6_300_000) == input_rate(catalog, "large", credential="acme-eu")
    assert Rate(800_000) == input_rate(catalog, "small")
    assert Rate(8_100_000) == input_rate(catalog, "large")


def test_configured_provider_as_provider():
    """An entry that names a configured provider is about its price list, for calls through it."""
    catalog = catalog_with('[[prices]]\nprovider = "acme-eu"\nmodel = "*"\ndiscount_percent = "50"')

    assert Rate(500_000) == input_rate(catalog, "small", credential="acme-eu")
    assert Rate(1_000_000) == input_rate(catalog, "small")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('model = "small"', "must set exactly one of"),
        ('model = "small"\nfree = true\ndiscount_percent = "5"', "must set exactly one of"),
        ('model = "smal"\ndiscount_percent = "5"', "no list holds; did you mean 'small'"),
        ('model = "tiny"\ndiscount_percent = "5"', "another name of small"),
        ('model = "small"\nusd = { input_txt = "1" }', "unknown meter 'input_txt'; did you mean 'input_text'"),
        ('model = "small"\nfree = true\nvalid_from = "soon"', "valid_from 'soon' is no date"),
        ('model = "small"\nfree = true\ncredential = "acme-us"', "named 'acme-us'; did you mean 'acme-eu'"),
    ],
)
def test_unusable_entry(entry, message):
    """An entry that cannot be used is named, with the way out."""
    with pytest.raises(ConfigError, match=message) as refused:
        catalog_with(f'[[prices]]\nprovider = "acme"\n{entry}')

    assert "[[prices]] entry 1" in str(refused.value)


def test_unknown_provider():
    """An entry for a provider without a list and without configuration is refused."""
    with pytest.raises(ConfigError, match="no price list and no configured provider has that name"):
        catalog_with('[[prices]]\nprovider = "acmé"\nmodel = "small"\nfree = true')


def test_contradicting_entries():
    """Two entries of one rank may not hold at the same time, and may follow each other."""
    first = '[[prices]]\nprovider = "acme"\nmodel = "*"\ndiscount_percent = "5"\nvalid_to = "2026-01-01"\n'
    second = '[[prices]]\nprovider = "acme"\nmodel = "*"\ndiscount_percent = "7"\nvalid_from = "{}"\n'

    catalog_with(first + second.format("2026-01-01"))
    with pytest.raises(ConfigError, match="and entry 2 hold at the same time"):
        catalog_with(first + second.format("2025-12-31"))


def test_alias():
    """A configured alias is another name for a listed model."""
    catalog = catalog_with('[[aliases]]\nprovider = "acme"\n[aliases.models]\nprod = "large"')
    found = catalog.resolve("acme", "prod", at_us=0)

    assert (found.card.model, found.via) == ("large", "alias")


def test_alias_to_nothing():
    """An alias for an unlisted model is refused with the nearest one."""
    with pytest.raises(ConfigError, match="'prod' stands for 'larg', not listed; did you mean 'large'"):
        catalog_with('[[aliases]]\nprovider = "acme"\n[aliases.models]\nprod = "larg"')
