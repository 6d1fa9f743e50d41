"""Gemini's API: generateContent, its stream (as server-sent events or a JSON array), countTokens, embeddings, models.

Shapes follow recorded traffic and the API reference (read 2026-11). Every chunk of a stream carries the usage so far;
thoughts are counted beside the candidates, not among them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from msgspec import Struct

from bursar.simulator.ask import Choice, Finish
from bursar.simulator.exchange import Frame, Problem, Reply, whole
from bursar.simulator.faults import Fault, usage_on_wire
from bursar.simulator.fields import Fields, json_body, mapping, number, objects, text
from bursar.simulator.gemini_prompt import read_contents, shows_thoughts
from bursar.simulator.generation import Generated, Request
from bursar.simulator.models import GEMINI_MODELS, require_model
from bursar.simulator.openai_embeddings import unit_vector
from bursar.simulator.openai_errors import Refusal
from bursar.simulator.sse import data_event, encode
from bursar.simulator.tokens import Piece, count_tokens, text_piece, words_of
from bursar.usage import Meter, Usage, usage_of

_JSON: Final = b"application/json; charset=UTF-8"
_EVENTS: Final = b"text/event-stream"
_WORDS_IN_CHUNK: Final = 12
_EMBEDDING_SIZE: Final = 3072
_SILENT_EMBEDDING: Final = "gemini-embedding-001"
"""Answers without usage; its successors report it."""
_MODALITIES: Final = (
    ("TEXT", Meter.INPUT_TEXT, Meter.CACHE_READ),
    ("IMAGE", Meter.INPUT_IMAGE, Meter.CACHE_READ_IMAGE),
    ("AUDIO", Meter.INPUT_AUDIO, Meter.CACHE_READ_AUDIO),
)
_ERRORS: Final = {
    "invalid": (400, "INVALID_ARGUMENT"),
    "unauthorized": (401, "UNAUTHENTICATED"),
    "not_found": (404, "NOT_FOUND"),
    "rate_limit": (429, "RESOURCE_EXHAUSTED"),
    "server_error": (500, "INTERNAL"),
    "overloaded": (503, "UNAVAILABLE"),
}
_FAILED: Final = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


def gemini_refusal(problem: Problem, _: str) -> Refusal:
    """Word a problem the way Google's APIs do (AIP-193)."""
    code, status = _ERRORS[problem.kind]
    return Refusal(code, encode({"error": {"code": code, "message": problem.message, "status": status}}))


def generate_content(request: Request) -> Reply:
    """`POST /v1beta/models/{model}:generateContent`."""
    return _answer(request, stream=False)


def stream_generate_content(request: Request) -> Reply:
    """`POST /v1beta/models/{model}:streamGenerateContent`; server-sent events with ``alt=sse``, else a JSON array."""
    return _answer(request, stream=True)


def count_tokens_of_contents(request: Request) -> Reply:
    """`POST /v1beta/models/{model}:countTokens`; free."""
    fields = json_body(request.call)
    ask = read_contents(mapping(fields, "generateContentRequest") or fields, request.call.subject, stream=False)
    total = sum(piece.tokens for piece in ask.prompt)
    body = {"totalTokens": total, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": total}]}
    return Reply(frames=whole(encode(body), has_usage=False), content_type=_JSON, model=ask.model)


def embed_content(request: Request) -> Reply:
    """`POST /v1beta/models/{model}:embedContent`."""
    fields = json_body(request.call)
    return _embed(request, [fields], lambda vectors: {"embedding": vectors[0]})


def batch_embed_contents(request: Request) -> Reply:
    """`POST /v1beta/models/{model}:batchEmbedContents`."""
    return _embed(request, objects(json_body(request.call), "requests"), lambda vectors: {"embeddings": vectors})


def list_gemini_models(_: Request) -> Reply:
    """`GET /v1beta/models`."""
    models = [{"name": f"models/{one}", "displayName": one, "version": "001"} for one in GEMINI_MODELS]
    return Reply(frames=whole(encode({"models": models}), has_usage=False), content_type=_JSON)


def usage_metadata(terms: Mapping[str, str], usage: Usage) -> Mapping[str, Any]:
    """`usageMetadata`: the prompt includes what was cached, thoughts stand beside the candidates."""
    prompt = [(name, usage.quantity(fresh) + usage.quantity(read)) for name, fresh, read in _MODALITIES]
    cached = [(name, usage.quantity(read)) for name, _, read in _MODALITIES]
    thoughts = usage.quantity(Meter.OUTPUT_REASONING)
    said: dict[str, Any] = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.quantity(Meter.OUTPUT_TEXT),
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
        "promptTokensDetails": _details(prompt),
        **terms,
    }
    if thoughts:
        said["thoughtsTokenCount"] = thoughts
    if any(count for _, count in cached):
        said["cachedContentTokenCount"] = sum(count for _, count in cached)
        said["cacheTokensDetails"] = _details(cached)
    return said


def _details(counts: Iterable[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": count} for name, count in counts if count]


class _Worded(Struct, frozen=True):
    """What every chunk of an answer repeats."""

    envelope: Mapping[str, Any]
    named: Callable[[Usage], Mapping[str, Any]]
    fault: Fault | None
    with_thoughts: bool

    def body(self, candidates: list[dict[str, Any]], usage: Usage) -> dict[str, Any]:
        said = usage_on_wire(self.named(usage), self.fault)
        return {"candidates": candidates, **({} if said is None else {"usageMetadata": said}), **self.envelope}


def _answer(request: Request, *, stream: bool) -> Reply:
    fields = json_body(request.call)
    ask = read_contents(fields, request.call.subject, stream=stream)
    generated = request.generate(ask)
    response_id = request.new_id("", 23)
    named = partial(usage_metadata, ask.terms)
    envelope = {"modelVersion": ask.model, "responseId": response_id}
    worded = _Worded(envelope, named, request.fault, shows_thoughts(fields))
    has_usage = request.fault is not Fault.MISSING_USAGE
    as_events = request.call.query.get("alt") == "sse"
    frames: Iterable[Frame]
    if not stream:
        choices = generated.answer.choices
        candidates = [_candidate(worded, generated, index, one) for index, one in enumerate(choices)]
        body = encode(worded.body(candidates, generated.usage))
        frames = whole(body, has_usage=has_usage, tokens=generated.usage.output_tokens)
    elif as_events:
        frames = (Frame(data_event(body), tokens, last) for body, tokens, last in _chunks(worded, generated))
    else:
        frames = _array(_chunks(worded, generated))
    return Reply(
        frames=frames,
        content_type=_EVENTS if stream and as_events else _JSON,
        is_stream=stream,
        response_id=response_id,
        model=ask.model,
        usage=generated.usage,
        named=named,
        error_frame=data_event(_FAILED) if as_events else b"," + encode(_FAILED) + b"]",
    )


def _candidate(worded: _Worded, generated: Generated, index: int, choice: Choice) -> dict[str, Any]:
    thoughts = _thoughts(worded, generated)
    return {
        "content": {"parts": [*thoughts, _part(choice)], "role": "model"},
        "finishReason": _finish(choice),
        "index": index,
    }


def _thoughts(worded: _Worded, generated: Generated) -> list[dict[str, Any]]:
    reasoning = generated.answer.reasoning
    return [{"text": reasoning, "thought": True}] if reasoning and worded.with_thoughts else []


def _part(choice: Choice) -> dict[str, Any]:
    call = choice.tool_call
    return {"functionCall": {"name": call.name, "args": call.value()}} if call else {"text": choice.text}


def _finish(choice: Choice) -> str:
    return "MAX_TOKENS" if choice.finish is Finish.LENGTH else "STOP"


def _chunks(worded: _Worded, generated: Generated) -> Iterator[tuple[dict[str, Any], int, bool]]:
    """Bodies of the stream's chunks with the tokens each adds; the last one's usage is the whole."""
    usage = generated.usage
    reasoning = usage.quantity(Meter.OUTPUT_REASONING)
    so_far = usage_of((Meter(meter), count) for meter, count in usage.counts if meter != Meter.OUTPUT_TEXT)
    waited = reasoning
    for index, choice in enumerate(generated.answer.choices):
        for part, tokens in [*((one, 0) for one in _thoughts(worded, generated)), *_stream_parts(choice)]:
            so_far += usage_of({Meter.OUTPUT_TEXT: tokens})
            content = {"content": {"parts": [part], "role": "model"}, "index": index}
            yield worded.body([content], so_far), tokens + waited, False
            waited = 0
        is_last = index == len(generated.answer.choices) - 1
        content = {
            "content": {"parts": [{"text": ""}], "role": "model"},
            "finishReason": _finish(choice),
            "index": index,
        }
        yield (
            worded.body([content], usage if is_last else so_far),
            0,
            is_last and worded.fault is not Fault.MISSING_USAGE,
        )


def _stream_parts(choice: Choice) -> Iterator[tuple[dict[str, Any], int]]:
    call = choice.tool_call
    if call:
        yield _part(choice), count_tokens(call.name) + count_tokens(call.arguments)
        return
    words = list(words_of(choice.text))
    for start in range(0, len(words), _WORDS_IN_CHUNK):
        group = words[start : start + _WORDS_IN_CHUNK]
        yield {"text": "".join(word for word, _ in group)}, sum(tokens for _, tokens in group)


def _array(chunks: Iterator[tuple[dict[str, Any], int, bool]]) -> Iterator[Frame]:
    opening = b"["
    for body, tokens, is_last in chunks:
        yield Frame(opening + encode(body), tokens, is_last)
        opening = b",\r\n"
    yield Frame(b"]")


def _embed(request: Request, contents: list[Fields], worded: Any) -> Reply:
    model = require_model(request.call.subject, f"models/{request.call.subject} is not found for API version v1beta.")
    pieces = [_embedded_pieces(one) for one in contents]
    if not pieces or not all(pieces):
        raise Problem("invalid", "content is not specified")
    size = number(contents[0], "outputDimensionality") or _EMBEDDING_SIZE
    vectors = [{"values": unit_vector(request, one, size)} for one in pieces]
    usage = usage_of({Meter.INPUT_TEXT: sum(piece.tokens for one in pieces for piece in one)})
    said = None if model == _SILENT_EMBEDDING else usage_on_wire(_embedding_usage(usage), request.fault)
    body = worded(vectors) | ({} if said is None else {"usageMetadata": said})
    return Reply(
        frames=whole(encode(body), has_usage=said is not None),
        content_type=_JSON,
        model=model,
        usage=usage,
        named=None if model == _SILENT_EMBEDDING else _embedding_usage,
    )


def _embedding_usage(usage: Usage) -> Mapping[str, Any]:
    return {
        "promptTokenCount": usage.input_tokens,
        "promptTokensDetails": _details([("TEXT", usage.input_tokens)]),
    }


def _embedded_pieces(fields: Fields) -> list[Piece]:
    return [text_piece(text(part, "text")) for part in objects(mapping(fields, "content"), "parts")]
