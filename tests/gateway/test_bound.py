"""The most a request can cost, held against what recorded requests did cost."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bursar.catalog.sheet import ModelNames
from bursar.catalog.snapshot import Catalog
from bursar.gateway.bound import Exposure, Unbounded, exposure_of
from bursar.gateway.targets import Target
from bursar.price import PriceCard, Rate, rate_set
from bursar.usage import Meter
from support.bounds import AT_US, outcomes, packaged_catalog, target_of
from support.cards import make_card, make_catalog
from support.recorded import FOLDERS, exchanges

CHAT = "/chat/completions"
RESPONSES = "/responses"
PIXEL = "data:image/png;base64,iVBORw0KGgo="
LINKED = {"url": "https://example.org/a.png"}


def bound(
    body: dict, *, path: str = CHAT, dialect: str = "openai", catalog: Catalog | None = None
) -> Exposure | Unbounded:
    """What a request to a provider of this dialect is bounded by."""
    target = target_of(dialect)
    return bound_at(target, body, path=path, catalog=catalog or packaged_catalog())


def bound_at(target: Target, body: dict, *, path: str, catalog: Catalog) -> Exposure | Unbounded:
    endpoint = target.dialect.match("POST", path)
    raw = json.dumps(body).encode()
    request = target.dialect.read(endpoint, "application/json", raw)
    found = catalog.resolve(target.price_list, request.model, conditions=target.conditions, at_us=AT_US)
    return exposure_of(request, found, target=target, catalog=catalog, body_bytes=len(raw), at_us=AT_US)


def by_meter(rates: dict[Meter, Rate]) -> PriceCard:
    """A card of OpenAI's with just these rates."""
    return replace(make_card(provider="openai"), rates=rate_set(rates))


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_recorded_requests_cost_no_more(folder):
    """No recorded exchange used more tokens, or cost more, than its request was bounded by."""
    checked = 0
    for outcome in outcomes(exchanges(folder)):
        usage, exposure = outcome.reading.usage, outcome.exposure
        if isinstance(exposure, Unbounded) or usage is None:
            continue
        checked += 1

        assert usage.input_tokens <= exposure.input_tokens, outcome.name
        assert usage.output_tokens <= exposure.output_tokens, outcome.name
        assert outcome.cost is None or outcome.cost <= exposure.pico, outcome.name

    assert checked or folder == "cohere"


def test_chat_with_a_cap():
    """A plain chat is bounded by its bytes, what the template adds, and its cap for each answer."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 10, "n": 3}
    exposure = bound(body)

    assert (exposure.input_tokens, exposure.output_tokens) == (len(json.dumps(body)) + 128, 30)
    assert exposure.notes == ()


def test_chat_without_a_cap():
    """Without a cap each answer may be as long as the model can answer at all."""
    assert bound({"model": "gpt-4o", "messages": [], "n": 2}).output_tokens == 2 * 128_000


@pytest.mark.parametrize("image", [{"url": PIXEL}, LINKED, {"url": PIXEL + "A" * 10**6}])
def test_images_count_by_pixels(image):
    """An image counts as its model's largest, however few or many bytes it has and wherever it is."""
    parts = [{"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": image}]
    exposure = bound({"model": "gpt-4o", "messages": [{"role": "user", "content": parts}], "max_tokens": 9})

    assert 24_600 < exposure.input_tokens < 24_600 + 600


def test_image_of_a_model_without_rule():
    """An image for a model whose rule is not known is bounded by the context window."""
    parts = [{"type": "image_url", "image_url": LINKED}]
    exposure = bound({"model": "grok-4.3", "messages": [{"role": "user", "content": parts}]}, dialect="xai")

    assert exposure.input_tokens == 1_000_000
    assert "an image" in exposure.notes[0]


def test_open_input_without_a_window():
    """Where neither the body nor a known context window bounds the input, nothing does."""
    found = bound(
        {"model": "small", "input": "hi", "previous_response_id": "resp_1"},
        path=RESPONSES,
        catalog=make_catalog(make_card(provider="openai")),
    )

    assert "previous_response_id" in found.reason


def test_open_input_with_a_window():
    """A stored conversation may fill the context window, and the row says so."""
    catalog = make_catalog(
        make_card(provider="openai"), names=(ModelNames("openai", "small", context_window=1000, max_output_tokens=50),)
    )
    exposure = bound(
        {"model": "small", "input": "hi", "previous_response_id": "resp_1"}, path=RESPONSES, catalog=catalog
    )

    assert (exposure.input_tokens, exposure.output_tokens) == (1000, 50)
    assert "1000 tokens" in exposure.notes[0]


def test_built_in_tools_run_as_often_as_allowed():
    """With max_tool_calls, the context may be read once for each call and once more, and each call has its fee."""
    body = {
        "model": "gpt-4.1",
        "input": "hi",
        "tools": [{"type": "web_search"}],
        "max_tool_calls": 3,
        "max_output_tokens": 100,
    }
    exposure = bound(body, path=RESPONSES)

    assert (exposure.input_tokens, exposure.others) == (4 * 1_000_000, ((int(Meter.SEARCHES), 3),))
    del body["max_tool_calls"]
    assert "max_tool_calls" in bound(body, path=RESPONSES).reason


def test_anthropic_server_tools():
    """A server tool reads the context at most eleven times; its fee is bounded by max_uses alone."""
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    body = {"model": "claude-sonnet-4-0", "max_tokens": 10, "messages": [], "tools": [tool]}
    exposure = bound(body, path="/v1/messages", dialect="anthropic")

    assert (exposure.input_tokens, exposure.output_tokens) == (11 * 200_000, 110)
    assert exposure.others == ((int(Meter.SEARCHES), 2),)
    del tool["max_uses"]
    assert "max_uses" in bound(body, path="/v1/messages", dialect="anthropic").reason


def test_tools_in_a_tiny_body():
    """The instructions that a provider adds to any tool are allowed for, however short the request."""
    body = {"model": "claude-sonnet-4-0", "max_tokens": 1, "messages": [], "tools": [{"name": "f"}]}
    exposure = bound(body, path="/v1/messages", dialect="anthropic")

    assert exposure.input_tokens >= 530 + len(json.dumps(body))


@pytest.mark.parametrize(
    ("tier", "dearest"), [(None, "9"), ("auto", "9"), ("default", "1"), ("flex", "2"), ("priority", "9"), ("fast", "9")]
)
def test_dearest_tier_that_may_be_served(tier, dearest):
    """A tier that the provider may choose by itself counts; one that a promise excludes does not."""
    cards = [
        make_card(provider="openai", usd={"input_mtok": usd, "output_mtok": "0"}, conditions=conditions)
        for usd, conditions in (
            ("1", ()),
            ("2", (("service_tier", "flex"),)),
            ("9", (("service_tier", "priority"),)),
            ("99", (("processing", "batch"),)),
            ("99", (("speed", "fast"),)),
        )
    ]
    body = {"model": "small", "messages": [], "max_tokens": 1, "service_tier": tier}
    exposure = bound(body, catalog=make_catalog(*cards))

    assert exposure.pico == exposure.input_tokens * int(dearest) * 10**6


def test_speed_counts_when_asked_for():
    """Faster inference at a price of its own counts only in a request that asks for it."""
    cards = [
        make_card(provider="anthropic", usd={"input_mtok": usd, "output_mtok": "0"}, conditions=conditions)
        for usd, conditions in (("1", ()), ("6", (("speed", "fast"),)))
    ]
    catalog = make_catalog(*cards)
    body = {"model": "small", "messages": [], "max_tokens": 1}
    slow = bound(body, path="/v1/messages", dialect="anthropic", catalog=catalog)
    fast = bound(body | {"speed": "fast"}, path="/v1/messages", dialect="anthropic", catalog=catalog)

    assert (len(slow.cards), len(fast.cards)) == (1, 2)


def test_images_by_the_piece():
    """A model that is charged by the image is bounded by the images asked for."""
    catalog = make_catalog(by_meter({Meter.IMAGES: Rate(40)}))
    exposure = bound({"model": "small", "prompt": "a cat", "n": 3}, path="/images/generations", catalog=catalog)

    assert exposure.pico == 120


def test_model_without_any_price():
    """Where the card prices nothing that the request is charged by, there is no bound."""
    catalog = make_catalog(by_meter({}))

    assert isinstance(
        bound({"model": "small", "prompt": "a cat"}, path="/images/generations", catalog=catalog), Unbounded
    )


def test_drawn_images():
    """A model that is charged by the token is bounded by its largest image, for each image asked for."""
    exposure = bound({"model": "gpt-image-1", "prompt": "a cat", "n": 3}, path="/images/generations")

    assert exposure.output_tokens == 3 * 6_640


def test_speech():
    """Characters are bounded by the text to speak."""
    exposure = bound({"model": "tts-1", "input": "hello"}, path="/audio/speech")

    assert exposure.others == ((int(Meter.CHARACTERS), 5),)
    assert exposure.pico == 5 * 15 * 10**6


def test_sound_paid_by_time():
    """How long a sound is cannot be told from its bytes, so that a price by the second has no bound."""
    form = b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nsmall\r\n--x--\r\n'
    target = target_of("openai")
    endpoint = target.dialect.match("POST", "/audio/transcriptions")
    request = target.dialect.read(endpoint, "multipart/form-data; boundary=x", form)
    catalog = make_catalog(by_meter({Meter.INPUT_AUDIO_MS: Rate(1)}))
    found = catalog.resolve("openai", "small", at_us=AT_US)
    exposure = exposure_of(request, found, target=target, catalog=catalog, body_bytes=len(form), at_us=AT_US)

    assert "input_audio_ms" in exposure.reason


def test_paid_by_time():
    """A model that is paid by the time its answer takes has no bound."""
    catalog = make_catalog(by_meter({Meter.GPU_MS: Rate(1), Meter.INPUT_TEXT: Rate(0), Meter.OUTPUT_TEXT: Rate(0)}))

    assert "time" in bound({"model": "small", "messages": [], "max_tokens": 1}, catalog=catalog).reason


@given(
    st.integers(1, 5), st.integers(1, 10_000), st.integers(0, 10**12), st.sampled_from(["gpt-4o", "gpt-4.1", "gpt-5"])
)
def test_affordable_cap(answers, cap, budget, model):
    """A request whose cap is lowered to the affordable one is bounded within the budget, and no larger cap is."""
    body = {"model": model, "messages": [], "max_completion_tokens": cap, "n": answers}
    affordable = bound(body).affordable_cap(budget)

    def most(tokens):
        return bound(body | {"max_completion_tokens": tokens}).pico

    if not affordable:
        assert most(1) > budget
    else:
        # a shorter number in the body makes the input smaller, never larger
        assert most(affordable) <= budget
        assert affordable == cap or most(affordable + 1) > budget - 10**9
