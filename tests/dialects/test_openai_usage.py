"""Laws of settling OpenAI-style usage objects."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.dialects.flavours import FLAVOURS, OPENAI, XAI
from bursar.dialects.openai_usage import Plain, milliseconds, settle
from bursar.events import UsageStatus
from bursar.usage import Meter, usage_of

COUNTS = st.integers(min_value=0, max_value=10**6)
DETAILS = st.dictionaries(
    st.sampled_from(["cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "text_tokens"]), COUNTS
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
FIELDS = st.sampled_from(
    [
        "prompt_tokens",
        "completion_tokens",
        "input_tokens",
        "output_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
        "input_token_details",
        "cached_tokens",
        "cache_write_tokens",
        "cached_tokens_details",
        "cache_write_tokens_details",
        "ttl_12h_tokens",
        "reasoning_tokens",
        "audio_tokens",
        "image_tokens",
        "prompt_audio_seconds",
        "prompt_cache_hit_tokens",
        "prompt_cache_miss_tokens",
        "billed_units",
        "server_side_tool_usage_details",
        "cost",
        "cost_in_usd_ticks",
        "is_byok",
    ]
)
HOSTILE = st.dictionaries(FIELDS, JUNK | COUNTS | st.dictionaries(FIELDS, JUNK | COUNTS, max_size=4), max_size=10)


@given(COUNTS, COUNTS, st.data())
def test_consistent_usage(sent, produced, data):
    """Parts that fit inside consistent totals are reported, and the meters add up to the total."""
    cached = data.draw(st.integers(0, sent))
    written = data.draw(st.integers(0, sent - cached))
    audio = data.draw(st.integers(0, sent - cached - written))
    reasoning = data.draw(st.integers(0, produced))
    settled = settle(
        {
            "prompt_tokens": sent,
            "completion_tokens": produced,
            "total_tokens": sent + produced,
            "prompt_tokens_details": {
                "cached_tokens": cached,
                "cache_write_tokens": written,
                "audio_tokens": audio,
            },
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        },
        OPENAI,
    )

    expected = usage_of(
        {
            Meter.INPUT_TEXT: sent - cached - written - audio,
            Meter.INPUT_AUDIO: audio,
            Meter.CACHE_READ: cached,
            Meter.CACHE_WRITE_30M: written,
            Meter.OUTPUT_TEXT: produced - reasoning,
            Meter.OUTPUT_REASONING: reasoning,
        }
    )
    assert (expected, UsageStatus.REPORTED, ()) == (settled.usage, settled.status, settled.notes)


@given(COUNTS, COUNTS, st.none() | COUNTS, DETAILS, DETAILS, COUNTS)
def test_any_figures(sent, produced, total, into, outof, reasoning):
    """Whatever the figures, the meters equal the provider's total or the row says inconsistent, and never cost less."""
    usage: dict[str, Any] = {"input_tokens": sent, "output_tokens": produced, "total_tokens": total}
    usage |= {"input_tokens_details": into, "output_tokens_details": {**outof, "reasoning_tokens": reasoning}}
    settled = settle(usage, OPENAI)

    assert settled.usage is not None
    counted = settled.usage.input_tokens + settled.usage.output_tokens
    if total is not None:
        assert counted == total or settled.status is UsageStatus.INCONSISTENT
        assert counted >= total
    assert counted >= sent + produced


@given(HOSTILE, st.sampled_from(sorted(FLAVOURS)))
def test_hostile_usage(usage, name):
    """Mistyped fields never raise and never make a negative meter."""
    flavour = FLAVOURS[name]
    settled = settle(usage, flavour, Plain(Meter.INPUT_AUDIO, Meter.OUTPUT_IMAGE))
    flavour.provider_cost(usage)
    fees = flavour.tool_fees(usage)

    assert settled.usage is None or all(quantity > 0 for _, quantity in settled.usage.counts)
    assert all(quantity >= 0 for quantity in fees.values())


def test_reasoning_beside_the_output():
    """Some bill reasoning on top of the completion; the total proves it (figures of xAI's API reference)."""
    usage = {
        "prompt_tokens": 32,
        "completion_tokens": 9,
        "total_tokens": 135,
        "completion_tokens_details": {"reasoning_tokens": 94},
    }

    settled = settle(usage, XAI)

    expected = usage_of({Meter.INPUT_TEXT: 32, Meter.OUTPUT_TEXT: 9, Meter.OUTPUT_REASONING: 94})
    assert (expected, UsageStatus.REPORTED) == (settled.usage, settled.status)


def test_reasoning_beside_without_total():
    """Without a total the flavour decides."""
    usage = {"prompt_tokens": 1, "completion_tokens": 100, "completion_tokens_details": {"reasoning_tokens": 94}}

    assert settle(usage, XAI).usage == usage_of(
        {Meter.INPUT_TEXT: 1, Meter.OUTPUT_TEXT: 100, Meter.OUTPUT_REASONING: 94}
    )
    assert settle(usage, OPENAI).usage == usage_of(
        {Meter.INPUT_TEXT: 1, Meter.OUTPUT_TEXT: 6, Meter.OUTPUT_REASONING: 94}
    )


def test_cached_more_than_input():
    """More cached tokens than input can only be exclusive counts; the row says so."""
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 900}}

    settled = settle(usage, OPENAI)

    expected = usage_of({Meter.INPUT_TEXT: 10, Meter.CACHE_READ: 900, Meter.OUTPUT_TEXT: 5})
    assert (expected, UsageStatus.REPORTED) == (settled.usage, settled.status)
    assert settled.notes == ("cached tokens (900) are reported beside the input (10), not inside it",)


def test_exclusive_counts_by_total():
    """Counts that fit inside are still exclusive when only that adds up to the total."""
    usage = {"prompt_tokens": 1000, "completion_tokens": 5, "total_tokens": 1905, "cache_read_input_tokens": 900}

    settled = settle(usage, OPENAI)

    expected = usage_of({Meter.INPUT_TEXT: 1000, Meter.CACHE_READ: 900, Meter.OUTPUT_TEXT: 5})
    assert (expected, UsageStatus.REPORTED) == (settled.usage, settled.status)


def test_tokens_only_in_the_total():
    """Tokens that only the total knows of are counted as reasoning, and the row is flagged."""
    settled = settle({"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109}, OPENAI)

    expected = usage_of({Meter.INPUT_TEXT: 35, Meter.OUTPUT_TEXT: 12, Meter.OUTPUT_REASONING: 62})
    assert (expected, UsageStatus.INCONSISTENT) == (settled.usage, settled.status)


def test_cached_audio():
    """A split of the cached tokens by medium gives every medium its own meter."""
    usage = {
        "input_tokens": 100,
        "output_tokens": 0,
        "input_token_details": {
            "audio_tokens": 60,
            "text_tokens": 40,
            "cached_tokens": 50,
            "cached_tokens_details": {"audio_tokens": 45, "text_tokens": 5},
        },
    }

    expected = {Meter.INPUT_TEXT: 35, Meter.INPUT_AUDIO: 15, Meter.CACHE_READ: 5, Meter.CACHE_READ_AUDIO: 45}
    assert usage_of(expected) == settle(usage, OPENAI).usage


def test_cached_media_without_split():
    """Without a split the cache holds text first, and media only as far as the text does not suffice."""
    details = {"audio_tokens": 60, "cached_tokens": 50}

    settled = settle({"input_tokens": 100, "output_tokens": 1, "input_tokens_details": details}, OPENAI)

    expected = {Meter.INPUT_AUDIO: 50, Meter.CACHE_READ: 40, Meter.CACHE_READ_AUDIO: 10, Meter.OUTPUT_TEXT: 1}
    assert usage_of(expected) == settled.usage


def test_audio_by_the_second():
    """Mistral counts audio tokens in the total alone and bills them by the second."""
    usage = {"prompt_audio_seconds": 203, "prompt_tokens": 4, "total_tokens": 3264, "completion_tokens": 635}

    settled = settle(usage, FLAVOURS["mistral"])

    expected = {Meter.INPUT_TEXT: 4, Meter.INPUT_AUDIO_MS: 203_000, Meter.OUTPUT_TEXT: 635}
    assert (usage_of(expected), UsageStatus.REPORTED) == (settled.usage, settled.status)


@pytest.mark.parametrize(("hit", "miss", "status"), [(4, 6, "reported"), (4, 5, "inconsistent")])
def test_deepseek_hits_and_misses(hit, miss, status):
    """Cache hits and misses must add up to the prompt."""
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "prompt_cache_hit_tokens": hit}

    settled = settle({**usage, "prompt_cache_miss_tokens": miss}, FLAVOURS["deepseek"])

    expected = usage_of({Meter.INPUT_TEXT: 6, Meter.CACHE_READ: 4, Meter.OUTPUT_TEXT: 1})
    assert (expected, status) == (settled.usage, settled.status)


def test_cohere_bills_units():
    """Cohere's billed units count, not its tokens with the chat template."""
    usage = {"billed_units": {"input_tokens": 13.0, "output_tokens": 61}, "tokens": {"input_tokens": 542}}

    assert usage_of({Meter.INPUT_TEXT: 13, Meter.OUTPUT_TEXT: 61}) == settle(usage, FLAVOURS["cohere"]).usage


def test_twelve_hour_cache_writes():
    """Long-lived writes have their own meter, and a note."""
    details = {"cache_write_tokens": 30, "cache_write_tokens_details": {"ttl_12h_tokens": 10, "ttl_30m_tokens": 20}}

    settled = settle({"input_tokens": 30, "output_tokens": 1, "input_tokens_details": details}, OPENAI)

    expected = {Meter.CACHE_WRITE_30M: 20, Meter.CACHE_WRITE_1H: 10, Meter.OUTPUT_TEXT: 1}
    assert usage_of(expected) == settled.usage
    assert len(settled.notes) == 1


def test_mistyped_count():
    """A count of the wrong type is unknown, and the row is flagged."""
    settled = settle({"prompt_tokens": 10, "completion_tokens": "12", "total_tokens": 22}, OPENAI)

    assert settled.status is UsageStatus.INCONSISTENT
    assert settled.usage == usage_of({Meter.INPUT_TEXT: 10, Meter.OUTPUT_REASONING: 12})


@pytest.mark.parametrize(
    ("value", "expected"),
    [(7, 7000), (8.4701, 8470), ("8.47", 8470), ("x", None), (True, None), (-1, None), ("inf", None), ("nan", None)],
)
def test_milliseconds(value, expected):
    """Seconds are numbers or decimal text."""
    assert expected == milliseconds(value)


@pytest.mark.parametrize(
    ("name", "usage", "expected"),
    [
        ("xai", {"cost_in_usd_ticks": 37_756_000}, 3_775_600_000),
        ("openrouter", {"cost": 8.6e-05}, 86_000_000),
        ("openrouter", {"cost": 0, "is_byok": False}, 0),
        (
            "openrouter",
            {"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}},
            210_000_000_000,
        ),
        ("openrouter", {"cost": 0.01, "is_byok": True}, None),
        ("openrouter", {"cost": "0.01"}, None),
        ("openai", {"cost": 1}, None),
    ],
)
def test_provider_cost(name, usage, expected):
    """What the provider says it charged is exact picodollars; unknown is not zero."""
    assert expected == FLAVOURS[name].provider_cost(usage)


def test_xai_tools():
    """Server-side tools are counted by kind; sources of the older live search stand in for them."""
    tools = {"web_search_calls": 1, "x_search_calls": 3, "code_interpreter_calls": 2}
    fees = XAI.tool_fees({"server_side_tool_usage_details": tools, "num_sources_used": 9})

    assert (fees[Meter.SEARCHES], fees[Meter.CODE_EXECUTIONS]) == (4, 2)
    assert XAI.tool_fees({"num_sources_used": 9})[Meter.SEARCHES] == 9
