"""OpenAI's text completions: `POST /v1/completions`, whole and streamed (API reference, read 2026-11)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from bursar.simulator.ask import Ask, Finish
from bursar.simulator.exchange import Frame, Problem, Reply, whole
from bursar.simulator.faults import usage_on_wire
from bursar.simulator.fields import Fields, json_body, mapping, number, strings, text
from bursar.simulator.generation import Generated, Request
from bursar.simulator.models import require_model
from bursar.simulator.openai_errors import STREAM_ERROR
from bursar.simulator.sse import EVENT_STREAM, JSON, data_event, encode
from bursar.simulator.tokens import BYTES_PER_TOKEN, Piece, text_piece, words_of
from bursar.usage import Usage

_DEFAULT_MAX_TOKENS: Final = 16
"""`max_tokens` when the caller sets none."""


def completions(request: Request) -> Reply:
    """Answer one text completion."""
    fields = json_body(request.call)
    ask = _read(fields, request.call.subject)
    generated = request.generate(ask)
    envelope = {
        "id": request.new_id("cmpl-"),
        "object": "text_completion",
        "created": request.created,
        "model": ask.model,
    }
    usage = usage_on_wire(_usage(generated.usage), request.fault)
    if ask.stream:
        include = bool(mapping(fields, "stream_options").get("include_usage"))
        frames: Any = _chunks(envelope, generated, usage, include_usage=include)
    else:
        choices = [_choice(index, one.text, one.finish) for index, one in enumerate(generated.answer.choices)]
        body = {**envelope, "choices": choices} | ({} if usage is None else {"usage": usage})
        frames = whole(encode(body), has_usage=usage is not None, tokens=generated.usage.output_tokens)
    return Reply(
        frames=frames,
        content_type=EVENT_STREAM if ask.stream else JSON,
        is_stream=ask.stream,
        response_id=str(envelope["id"]),
        model=ask.model,
        usage=generated.usage,
        named=_usage,
        error_frame=STREAM_ERROR,
    )


def prompt_pieces(given: Any) -> list[list[Piece]]:
    """The prompts of a request: one or several texts, or one or several lists of token numbers."""
    if isinstance(given, str):
        return [[text_piece(given)]]
    if not isinstance(given, list) or not given:
        return []
    if all(isinstance(one, int) for one in given):
        return [[_numbers_piece(given)]]
    return [[_numbers_piece(one) if isinstance(one, list) else text_piece(str(one))] for one in given]


def _numbers_piece(tokens: list[int]) -> Piece:
    return Piece(b"".join(int(one).to_bytes(BYTES_PER_TOKEN, "big") for one in tokens))


def _read(fields: Fields, deployment: str) -> Ask:
    named = text(fields, "model") or deployment
    model = require_model(named, f"The model `{named}` does not exist or you do not have access to it.")
    prompts = prompt_pieces(fields.get("prompt"))
    if not prompts:
        raise Problem("invalid", "you must provide a 'prompt' parameter")
    return Ask(
        model=model,
        stream=fields.get("stream") is True,
        prompt=tuple(piece for prompt in prompts for piece in prompt),
        max_tokens=number(fields, "max_tokens") or _DEFAULT_MAX_TOKENS,
        stop=strings(fields, "stop"),
        answers=len(prompts) * max(1, number(fields, "n") or 1),
    )


def _usage(usage: Usage) -> Mapping[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _choice(index: int, words: str, finish: Finish | None) -> dict[str, Any]:
    reason = {Finish.LENGTH: "length"}.get(finish, "stop") if finish else None
    return {"text": words, "index": index, "logprobs": None, "finish_reason": reason}


def _chunks(
    envelope: Mapping[str, Any], generated: Generated, usage: Mapping[str, Any] | None, *, include_usage: bool
) -> Iterator[Frame]:
    trailer = {"usage": None} if include_usage else {}
    for index, choice in enumerate(generated.answer.choices):
        for word, tokens in words_of(choice.text):
            yield Frame(data_event({**envelope, "choices": [_choice(index, word, None)], **trailer}), tokens)
        yield Frame(data_event({**envelope, "choices": [_choice(index, "", choice.finish)], **trailer}))
    if include_usage and usage is not None:
        yield Frame(data_event({**envelope, "choices": [], "usage": usage}), has_usage=True)
    yield Frame(b"data: [DONE]\n\n")
