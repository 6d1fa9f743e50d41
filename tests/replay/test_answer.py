"""What an answer says of its cost, its tokens and its provider's own time is found wherever it stands."""

import pytest

from bursar.replay.answer import Answer, usage_in
from bursar.replay.summary import Outcome


class SteppingClock:
    """Every look at it is ten milliseconds later."""

    def __init__(self) -> None:
        self.us = 0

    def now_us(self) -> int:
        return self.us

    def monotonic_us(self) -> int:
        self.us += 10_000
        return self.us

    def new_id(self) -> str:
        return "id"


def ended(headers: dict[bytes, bytes], *parts: bytes, status: int = 200) -> Outcome:
    """The outcome of one answer."""
    outcomes: list[Outcome] = []
    answer = Answer(SteppingClock(), lambda _, outcome: outcomes.append(outcome))
    answer.on_sent()
    answer.on_head(status, list(headers.items()))
    for part in parts:
        answer.on_body(part)
    answer.on_complete()
    return outcomes[0]


def test_whole_answer():
    """Cost comes from the header, tokens from the usage object."""
    body = b'{"usage": {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3}}}'
    outcome = ended({b"x-bursar-cost-usd": b"0.0015"}, body)

    assert (outcome.cost_pico, outcome.input_tokens, outcome.output_tokens, outcome.cached_tokens) == (
        1_500_000_000,
        9,
        4,
        3,
    )


def test_streamed_cost():
    """In a stream the cost is the last comment, the usage the last that there is."""
    outcome = ended(
        {b"content-type": b"text/event-stream"},
        b'data: {"usage": null}\n\ndata: {"usage": {"prompt_tokens": 2, "completion_to',
        b'kens": 8}}\n\ndata: [DONE]\n\n: bursar cost_usd=0.25 price_status=priced\n\n',
    )

    assert (outcome.cost_pico, outcome.input_tokens, outcome.output_tokens) == (250_000_000_000, 2, 8)


def test_unknown_cost():
    """A cost that the gateway does not know stays unknown."""
    outcome = ended({b"content-type": b"text/event-stream"}, b": bursar cost_usd=unknown price_status=unpriced\n\n")

    assert (outcome.cost_pico, outcome.output_tokens) == (None, None)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({b"x-sim-elapsed-ms": b"4.5"}, 0.0055),
        ({b"openai-processing-ms": b"3"}, 0.007),
        ({b"openai-processing-ms": b"soon"}, None),
        ({}, None),
    ],
)
def test_added_latency(headers: dict[bytes, bytes], expected: float | None):
    """What the gateway added is the time to the head less the provider's own."""
    assert ended(headers).added_s == (None if expected is None else pytest.approx(expected))


def test_error_status():
    """An error status is an error of its own kind."""
    assert ended({}, status=402).error == "http 402"


def test_long_stream_keeps_its_end():
    """Of a stream of any length the end is read."""
    outcome = ended(
        {b"content-type": b"text/event-stream"},
        *(b"data: " + b"x" * 60_000 + b"\n\n" for _ in range(5)),
        b'data: {"usage": {"input_tokens": 1, "output_tokens": 2}}\n\n',
    )

    assert (outcome.input_tokens, outcome.output_tokens) == (1, 2)


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"usage": 3}'])
def test_no_usage(body: bytes):
    """Whatever is no usage object is none."""
    assert usage_in(body, is_stream=False) == {}
