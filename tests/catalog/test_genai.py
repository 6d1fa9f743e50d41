"""The packaged price data, compiled."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from genai_prices import types
from genai_prices.data import providers
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.catalog.conditions import normalise
from bursar.catalog.genai import compile_package
from bursar.catalog.sheet import digest_of
from bursar.catalog.snapshot import Catalog, Match, NoPrice
from bursar.money import PICO_PER_USD
from bursar.price import Rate, cost
from bursar.usage import Meter, Usage, usage_of

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
PERIOD = (datetime.fromisoformat("2024-01-01"), datetime.fromisoformat("2027-06-01"))
GLOBAL = (("deployment", "global"),)

PRICE_KEYS = {
    Meter.INPUT_TEXT: "input_mtok",
    Meter.INPUT_AUDIO: "input_audio_mtok",
    Meter.INPUT_IMAGE: "input_image_mtok",
    Meter.CACHE_READ: "cache_read_mtok",
    Meter.CACHE_READ_AUDIO: "cache_audio_read_mtok",
    Meter.CACHE_READ_IMAGE: "cache_image_read_mtok",
    Meter.CACHE_WRITE_5M: "cache_write_mtok",
    Meter.CACHE_WRITE_1H: "cache_write_1h_mtok",
    Meter.OUTPUT_TEXT: "output_mtok",
    Meter.OUTPUT_REASONING: "output_reasoning_mtok",
    Meter.OUTPUT_AUDIO: "output_audio_mtok",
    Meter.OUTPUT_IMAGE: "output_image_mtok",
    Meter.SEARCHES: "web_searches_kcount",
    Meter.FILE_SEARCHES: "storage_searches_kcount",
    Meter.CHARACTERS: "input_mchars",
    Meter.PAGES: "input_document_kpages",
}
"""Meters whose price the package states by itself, and under which key."""

MODELS = [(provider, model) for provider in providers for model in provider.models]


def us(moment: datetime) -> int:
    """A moment as Unix microseconds."""
    return int(moment.timestamp()) * 1_000_000


def source_usage(usage: Usage) -> types.Usage:
    """Our disjoint meters as the package's inclusive totals."""

    def total(*meters: Meter) -> int:
        return sum(usage.quantity(meter) for meter in meters)

    return types.Usage(
        input_tokens=usage.input_tokens,
        input_audio_tokens=total(Meter.INPUT_AUDIO, Meter.CACHE_READ_AUDIO),
        input_image_tokens=total(Meter.INPUT_IMAGE, Meter.CACHE_READ_IMAGE),
        cache_read_tokens=total(Meter.CACHE_READ, Meter.CACHE_READ_AUDIO, Meter.CACHE_READ_IMAGE),
        cache_audio_read_tokens=total(Meter.CACHE_READ_AUDIO),
        cache_image_read_tokens=total(Meter.CACHE_READ_IMAGE),
        cache_write_tokens=total(Meter.CACHE_WRITE_5M, Meter.CACHE_WRITE_1H),
        cache_write_1h_tokens=total(Meter.CACHE_WRITE_1H),
        output_tokens=usage.output_tokens,
        output_reasoning_tokens=total(Meter.OUTPUT_REASONING),
        output_audio_tokens=total(Meter.OUTPUT_AUDIO),
        output_image_tokens=total(Meter.OUTPUT_IMAGE),
        web_searches=total(Meter.SEARCHES),
        storage_searches=total(Meter.FILE_SEARCHES),
        input_characters=total(Meter.CHARACTERS),
        input_document_pages=total(Meter.PAGES),
    )


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_cost_equals_source(catalog: Catalog, data):
    """Where the package has a price for everything used, our cost is its price to the picodollar."""
    provider, model = data.draw(st.sampled_from(MODELS))
    variants = [one.when for one in model.price_variants or ()]
    context = data.draw(st.sampled_from([{}, *variants]))
    moment = data.draw(st.datetimes(*PERIOD, timezones=st.just(UTC))).replace(microsecond=0)
    conditions = tuple(context.items()) + (GLOBAL if provider.id == "azure" else ())
    found = catalog.resolve(provider.id, model.id, conditions=conditions, at_us=us(moment))
    if isinstance(found, NoPrice):
        return
    stated = vars(model.get_prices(moment, context))
    priced = [meter for meter, key in PRICE_KEYS.items() if stated.get(key) is not None]
    used = usage_of({meter: data.draw(st.integers(0, 400_000)) for meter in priced})

    charged = cost(used, found.card)
    expected = (
        model.calc_price(
            source_usage(used), provider, genai_request_timestamp=moment, price_context=context
        ).total_price
        * PICO_PER_USD
    )
    request_fee = found.card.rates.by_meter[Meter.REQUESTS]
    difference = abs(Fraction(charged.total) + Fraction(request_fee.pico, request_fee.per) - Fraction(expected))

    assert difference <= Fraction(sum(line.rate.per != 1 for line in charged.lines), 2)


def test_compile_is_reproducible(packaged):
    """The same package compiles to the same cards, ids and digest."""
    again = compile_package(packaged.cards[0].source.removeprefix("genai-prices "))

    assert packaged == again
    assert digest_of(packaged) == digest_of(again)


def test_card_ids_are_unique(packaged):
    """No two cards share an id."""
    assert len(packaged.cards) == len({card.id for card in packaged.cards})


def test_cards_of_one_offer_never_overlap(packaged):
    """At any instant a model has one packaged price under one set of conditions."""
    offers = {}
    for card in packaged.cards:
        offers.setdefault((card.provider, card.model, card.conditions), []).append(card)
    for cards in offers.values():
        for instant in {card.valid_from_us for card in cards if card.valid_from_us is not None} | {0}:
            for minute in {card.window.start_minute for card in cards if card.window} | {0}:
                at_us = instant + minute * 60_000_000

                assert sum(holds(card, at_us) for card in cards) <= 1


def test_ordinary_price_has_no_gaps(catalog, packaged):
    """A model with an ordinary price has one at every instant: dated changes leave no gap."""
    for card in packaged.cards:
        if not card.conditions:
            for edge_us in (card.valid_from_us, card.valid_to_us):
                if edge_us is not None:
                    assert isinstance(catalog.resolve(card.provider, card.model, at_us=edge_us - 1), Match)
                    assert isinstance(catalog.resolve(card.provider, card.model, at_us=edge_us), Match)
            assert isinstance(catalog.resolve(card.provider, card.model, at_us=0), Match)


def holds(card, at_us: int) -> bool:
    """Whether a card is valid at an instant."""
    begun = card.valid_from_us is None or card.valid_from_us <= at_us
    ended = card.valid_to_us is not None and card.valid_to_us <= at_us
    return begun and not ended and (card.window is None or card.window.holds(at_us // 60_000_000 % 1440))


@pytest.mark.parametrize(
    ("provider", "name", "model", "via"),
    [
        ("openai", "gpt-4o", "gpt-4o", "exact"),
        ("openai", "gpt-4o-2024-11-20", "gpt-4o", "alias"),
        ("openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13", "exact"),
        ("openai", "gpt-6-sol-2026-09-01", "gpt-6-sol", "snapshot"),
        ("openai", "omni-moderation-latest", "moderation", "alias"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc123", "ft:gpt-4o-mini", "snapshot"),
        ("anthropic", "claude-3-5-haiku-20241022", "claude-3-5-haiku-latest", "snapshot"),
        ("anthropic", "claude-sonnet-4-20250514", "claude-sonnet-4-0", "alias"),
        ("anthropic", "claude-opus-4-20250514", "claude-opus-4-0", "alias"),
        ("anthropic", "claude-opus-4-5-20251101", "claude-opus-4-5", "snapshot"),
        ("google", "gemini-2.0-flash-001", "gemini-2.0-flash", "alias"),
        ("google", "gemini-2.5-pro-preview-05-06", "gemini-2.5-pro", "snapshot"),
        ("google", "claude-sonnet-4-5@20250929", "claude-sonnet-4-5", "snapshot"),
        ("x-ai", "grok-4.5-20260801", "grok-4.5", "snapshot"),
        ("mistral", "mistral-small-2506", "mistral-small-3.2-24b-instruct", "alias"),
        ("together", "meta-llama/llama-3.3-70b-instruct-turbo", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "exact"),
        ("aws", "amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0", "exact"),
        ("aws", "us.amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0", "alias"),
        (
            "aws",
            "us.anthropic.claude-opus-4-5-20251101-v1:0",
            "regional.anthropic.claude-opus-4-5-v1:0",
            "snapshot",
        ),
        ("aws", "eu.anthropic.claude-sonnet-5", "regional.anthropic.claude-sonnet-5-v1:0", "alias"),
        ("aws", "global.anthropic.claude-sonnet-5", "global.anthropic.claude-sonnet-5-v1:0", "alias"),
        (
            "aws",
            "anthropic.claude-3-5-sonnet-20241022-v2:0",
            "regional.anthropic.claude-3-5-sonnet-20241022-v2:0",
            "alias",
        ),
    ],
)
def test_resolve_real_names(catalog, provider, name, model, via):
    """Names that providers really use lead to the model that is charged."""
    found = catalog.resolve(provider, name, at_us=us(AT))

    assert (model, via) == (found.card.model, found.via)


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "ft:gpt-4.1-mini:acme::abc123"),
        ("openai", "ft:gpt-4o-mini-2024-07-18x:acme::abc123"),
        ("openai", "gpt-4.1-minix"),
        ("openai", "gpt-4o-foo"),
        ("openai", "gpt-4o-2031-01-01"),
        ("openai", "gpt-4o-audio-preview-anything"),
        ("anthropic", "claude-opus-4-5-turbo"),
        ("anthropic", "claude-opus-5-20269999"),
        ("aws", "eu.amazon.nova-lite-v1:0"),
        ("aws", "xx.anthropic.claude-opus-4-5-v1:0"),
        ("google", "gemini-2.5-pro-tts"),
    ],
)
def test_resolve_lookalikes(catalog, provider, name):
    """A name the package's loose clauses might accept, or nearly do, is not priced as its neighbour."""
    found = catalog.resolve(provider, name, at_us=us(AT))

    assert isinstance(found, NoPrice) or found.card.model == name


def test_aliases_are_claimed_once(packaged):
    """No alias or shape stands for two models of a provider."""
    for field in ("aliases", "shapes"):
        claims = [(one.provider, name) for one in packaged.models for name in getattr(one, field)]

        assert len(claims) == len(set(claims))


def test_aliases_agree_with_source(packaged):
    """The package itself finds the same model under every alias of every provider."""
    owners = {one.id: one for one in providers}
    own = {(provider.id, model.id) for provider, model in MODELS}
    for one in packaged.models:
        if (one.provider, one.model) in own:
            for alias in one.aliases:
                assert one.model == owners[one.provider].find_model(alias).id


def test_priority_without_price(catalog):
    """A tier that the model has no price for is unpriced."""
    found = catalog.resolve("openai", "gpt-5-nano", conditions=(("service_tier", "priority"),), at_us=us(AT))

    assert found == NoPrice(
        "openai/gpt-5-nano has no price for service_tier=priority "
        "(known: ordinary; processing=batch; service_tier=flex)"
    )


def test_variant_before_its_start(catalog):
    """A batch price that had not begun is no price, not the ordinary one."""
    early = us(datetime(2026, 10, 13, 23, 59, tzinfo=UTC))
    batch = (("processing", "batch"),)

    assert isinstance(catalog.resolve("openai", "gpt-4o", conditions=batch, at_us=early), NoPrice)
    assert isinstance(catalog.resolve("openai", "gpt-4o", conditions=batch, at_us=early + 60_000_000), Match)


def test_dated_price(catalog):
    """o3 cost $10 per million input tokens until 2025-06-10 and $2 since."""
    cut = datetime(2025, 6, 10, tzinfo=UTC)

    assert [Rate(10_000_000), Rate(2_000_000)] == [
        catalog.resolve("openai", "o3", at_us=us(at)).card.rates.by_meter[Meter.INPUT_TEXT]
        for at in (cut - timedelta(seconds=1), cut)
    ]


def test_off_peak(catalog):
    """DeepSeek's daily windows are UTC minutes."""
    day = datetime(2026, 11, 20, tzinfo=UTC)

    assert [
        catalog.resolve("deepseek", "deepseek-flash", at_us=us(day + timedelta(hours=hour)))
        .card.rates.by_meter[Meter.INPUT_TEXT]
        .pico
        for hour in (0, 1, 4, 6, 23)
    ] == [150_000, 300_000, 150_000, 300_000, 150_000]


def test_context_tier(catalog):
    """Past 272,000 input tokens all of gpt-5.5's tokens cost the higher rate."""
    card = catalog.resolve("openai", "gpt-5.5", at_us=us(AT)).card

    assert [Decimal("1.36"), Decimal("2.72001")] == [
        Decimal(cost(usage_of({Meter.INPUT_TEXT: tokens}), card).total) / PICO_PER_USD for tokens in (272_000, 272_001)
    ]


@pytest.mark.parametrize("deployment", ["datazone", "regional", None])
def test_azure_not_global(catalog, deployment):
    """Azure's list holds for global deployments; any other, or an unstated one, has no price."""
    conditions = (("deployment", deployment),) if deployment else ()

    assert isinstance(catalog.resolve("azure", "gpt-4o", conditions=conditions, at_us=us(AT)), NoPrice)
    assert isinstance(catalog.resolve("azure", "phi-4", conditions=conditions, at_us=us(AT)), NoPrice)


def test_azure_resells(catalog):
    """On a global deployment Azure charges OpenAI's token rates; what tools cost there is unknown."""
    owner = catalog.resolve("openai", "gpt-4o", at_us=us(AT)).card
    azure = catalog.resolve("azure", "gpt-4o", conditions=GLOBAL, at_us=us(AT)).card

    assert azure.provider == "azure"
    assert owner.rates.by_meter[Meter.OUTPUT_TEXT] == azure.rates.by_meter[Meter.OUTPUT_TEXT]
    assert azure.rates.by_meter[Meter.SEARCHES] is None


def test_azure_batch(catalog):
    """A price for batches at OpenAI is none at Azure."""
    conditions = (*GLOBAL, ("processing", "batch"))

    assert isinstance(catalog.resolve("azure", "gpt-4o", conditions=conditions, at_us=us(AT)), NoPrice)


def test_free_is_not_unpriced(catalog):
    """A documented free model costs an explicit zero; a model listed without prices costs nobody knows what."""
    free = catalog.resolve("openrouter", "deepseek/deepseek-r1:free", at_us=us(AT))
    unknown = catalog.resolve("github-copilot", "gpt-4o", at_us=us(AT))

    assert cost(usage_of({Meter.INPUT_TEXT: 5, Meter.OUTPUT_TEXT: 5}), free.card).total == 0
    assert unknown == NoPrice("github-copilot/gpt-4o is listed without a price; add [[prices]] for it")


def test_unmetered_unit(catalog):
    """A model charged by something we do not count is unpriced rather than undercharged."""
    found = catalog.resolve("perplexity", "sonar-deep-research", at_us=us(AT))

    assert "also charged by output_citation_mtok" in found.reason


def test_whisper_minimum(catalog):
    """Groq bills ten seconds of audio at least."""
    card = catalog.resolve("groq", "whisper-large-v3", at_us=us(AT)).card

    assert [cost(usage_of({Meter.INPUT_AUDIO_MS: ms}), card).lines[0].quantity for ms in (1, 10_000, 10_001)] == [
        10_000,
        10_000,
        10_001,
    ]


def test_anthropic_fetches_are_free(catalog):
    """Web fetches cost an explicit zero at Anthropic, and have no price elsewhere."""
    anthropic = catalog.resolve("anthropic", "claude-opus-5", at_us=us(AT)).card
    openai = catalog.resolve("openai", "gpt-5.5", at_us=us(AT)).card

    assert anthropic.rates.by_meter[Meter.FETCHES] == Rate(0)
    assert openai.rates.by_meter[Meter.FETCHES] is None


def test_every_variant_is_reachable(catalog):
    """Every context the package has an active price for resolves to a card with those conditions."""
    for provider, model in MODELS:
        for variant in model.price_variants or ():
            if variant.constraint is None or variant.constraint.active(AT):
                found = catalog.resolve(provider.id, model.id, conditions=tuple(variant.when.items()), at_us=us(AT))

                assert normalise(tuple(variant.when.items())) == found.card.conditions


@settings(deadline=None)
@given(
    st.sampled_from([*sorted({provider.id for provider in providers}), "nobody"]),
    st.text(max_size=30),
    st.lists(st.tuples(st.sampled_from(["service_tier", "speed", "*", "x"]), st.text(max_size=5)), max_size=2),
    st.integers(-(10**16), 10**16),
)
def test_resolve_is_total(catalog, provider, name, conditions, at_us):
    """Any question has an answer: a card that holds for it, or a reason."""
    found = catalog.resolve(provider, name, conditions=tuple(conditions), at_us=at_us)

    assert isinstance(found, NoPrice) or (holds(found.card, at_us) and found.card.provider == provider)
