"""Prompts have the size that the trace says, and share what it says they share."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bursar.replay.prompt import MESSAGES_PATH, build_prompt
from bursar.replay.trace_request import TraceRequest
from bursar.simulator.anthropic_prompt import read_messages
from bursar.simulator.openai_prompt import content_pieces

requests = st.builds(
    lambda size, ids, block: TraceRequest(
        at_s=0.0, input_tokens=size, output_tokens=3, prefix_blocks=tuple(ids), block_tokens=block, scope="s"
    ),
    st.integers(1, 4000),
    st.lists(st.integers(0, 5), max_size=12),
    st.sampled_from([16, 64, 512]),
)


def counted(request: TraceRequest, model: str) -> int:
    """Tokens of the prompt as the simulated provider counts them."""
    prompt = build_prompt(request, model=model, stream=False, number=0)
    body = json.loads(prompt.body)
    if prompt.path == MESSAGES_PATH:
        return sum(piece.tokens for piece in read_messages(body).prompt)
    return sum(piece.tokens for message in body["messages"] for piece in content_pieces(message["content"]))


@given(requests)
def test_size(request: TraceRequest):
    """The simulated provider counts exactly the tokens of the trace, in both dialects."""
    assert [counted(request, model) for model in ("gpt-4o-mini", "claude-haiku-4-5")] == [request.input_tokens] * 2


@given(requests, requests)
def test_shared_prefix(one: TraceRequest, other: TraceRequest):
    """Prompts begin with the same text exactly as far as their blocks are the same."""
    other = msgspec.structs.replace(other, block_tokens=one.block_tokens)
    texts = [
        json.loads(build_prompt(request, model="gpt", stream=False, number=number).body)["messages"][0]["content"]
        for number, request in enumerate((one, other))
    ]
    shared = 0
    for a, b in zip(one.prefix_blocks, other.prefix_blocks, strict=False):
        if a != b:
            break
        shared += one.block_tokens * 4

    shared = min(shared, *map(len, texts))
    assert texts[0][:shared] == texts[1][:shared]
    assert texts[0][shared : shared + 12] != texts[1][shared : shared + 12] or min(map(len, texts)) < shared + 12


def test_marks_the_last_full_section():
    """A Claude prompt is cut into sections of 1,024 tokens and the last full one is marked."""
    request = TraceRequest(
        at_s=0, input_tokens=2100, output_tokens=9, prefix_blocks=tuple(range(32)), block_tokens=64, scope="s"
    )
    body = json.loads(build_prompt(request, model="claude-x", stream=True, number=0).body)

    blocks = body["messages"][0]["content"]
    assert [len(block["text"]) // 4 for block in blocks] == [1024, 1024, 52]
    assert ["cache_control" in block for block in blocks] == [False, True, False]
