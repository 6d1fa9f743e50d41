"""Ordinary usage objects: the short way comes to what the long way comes to."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.dialects.flavours import FLAVOURS, OPENAI
from bursar.dialects.openai_ordinary import ordinary_usage
from bursar.dialects.openai_usage import probe, settle
from bursar.usage import Meter, usage_of

COUNTS = st.integers(0, 3) | st.integers(0, 2**53) | st.just(2**53 + 1)
ODD = st.sampled_from([None, False, True, 0.0, 2.0, -1, "3", [], {}, [1]])
DETAIL_NAMES = st.sampled_from(["cached_tokens", "reasoning_tokens", "audio_tokens", "text_tokens", "other"])
DETAILS = st.none() | st.dictionaries(DETAIL_NAMES, st.just(0) | COUNTS | ODD, max_size=3) | ODD
STRANGERS = st.dictionaries(
    st.sampled_from(["cost", "cached_tokens", "input_tokens", "prompt_tokens", "input_tokens_details", "total_tokens"]),
    COUNTS | ODD | DETAILS,
    max_size=1,
)


@st.composite
def usages(draw):
    """Objects that are ordinary or just miss it."""
    sent, produced = draw(COUNTS | ODD), draw(COUNTS | ODD)
    numbers = [value for value in (sent, produced) if isinstance(value, int)]
    names = draw(st.sampled_from([("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens")]))
    usage = {names[0]: sent, names[1]: produced, "total_tokens": sum(numbers) + draw(st.just(0) | st.integers(-1, 9))}
    for name in names:
        if draw(st.booleans()):
            usage[f"{name}_details"] = draw(DETAILS)
    return usage | draw(st.just({}) | STRANGERS)


@given(usages(), st.sampled_from(sorted(FLAVOURS)))
@settings(max_examples=2000)
def test_the_short_way(usage, name):
    """For every provider, settling an object comes to what probing it comes to."""
    assert probe(usage, FLAVOURS[name]) == settle(usage, FLAVOURS[name])


@pytest.mark.parametrize(
    ("sent", "produced"), [("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens")]
)
def test_ordinary_object(sent, produced):
    """Cached and reasoning tokens are inside their totals, in both of OpenAI's APIs."""
    usage = {
        sent: 1012,
        produced: 96,
        "total_tokens": 1108,
        f"{sent}_details": {"cached_tokens": 512, "audio_tokens": 0},
        f"{produced}_details": {"reasoning_tokens": 40, "audio_tokens": 0},
    }

    expected = usage_of(
        {Meter.INPUT_TEXT: 500, Meter.CACHE_READ: 512, Meter.OUTPUT_TEXT: 56, Meter.OUTPUT_REASONING: 40}
    )
    assert expected == ordinary_usage(usage)


def test_figures_that_do_not_add_up():
    """A total that does not fit is left to the long way, which says so."""
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 3}

    assert ordinary_usage(usage) is None
    assert settle(usage, OPENAI).notes
