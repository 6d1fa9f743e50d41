"""OpenAI's embeddings, moderations and model list (API reference and recordings, read 2026-11)."""

import array
import base64
import math
from collections.abc import Mapping
from typing import Any, Final

from bursar.simulator.chance import Chance
from bursar.simulator.exchange import Problem, Reply, whole
from bursar.simulator.faults import usage_on_wire
from bursar.simulator.fields import json_body, number, text
from bursar.simulator.generation import Request
from bursar.simulator.models import OPENAI_MODELS, require_model
from bursar.simulator.openai_completions import prompt_pieces
from bursar.simulator.openai_prompt import plain_text
from bursar.simulator.sse import JSON, encode
from bursar.simulator.tokens import Piece
from bursar.usage import Meter, Usage, usage_of

_CREATED: Final = 1_715_367_049
_CATEGORIES: Final = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


def embeddings(request: Request) -> Reply:
    """`POST /v1/embeddings`: a unit vector for each input that follows from its text."""
    fields = json_body(request.call)
    named = text(fields, "model") or request.call.subject
    model = require_model(named, f"The model `{named}` does not exist or you do not have access to it.")
    inputs = prompt_pieces(fields.get("input"))
    if not inputs:
        raise Problem("invalid", "'$.input' is invalid. Please check the API reference.", param="input")
    size = number(fields, "dimensions") or (3072 if "large" in model else 1536)
    as_text = text(fields, "encoding_format") == "base64"
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _encoded(unit_vector(request, pieces, size), as_text=as_text),
        }
        for index, pieces in enumerate(inputs)
    ]
    usage = usage_of({Meter.INPUT_TEXT: sum(piece.tokens for pieces in inputs for piece in pieces)})
    said = usage_on_wire(_usage(usage), request.fault)
    body = {"object": "list", "data": data, "model": model} | ({} if said is None else {"usage": said})
    return Reply(
        frames=whole(encode(body), has_usage=said is not None),
        content_type=JSON,
        model=model,
        usage=usage,
        named=_usage,
    )


def moderations(request: Request) -> Reply:
    """`POST /v1/moderations`, which is free: nothing is ever flagged."""
    fields = json_body(request.call)
    given = fields.get("input")
    inputs = given if isinstance(given, list) and given else [given]
    scores = dict.fromkeys(_CATEGORIES, 0.0001)
    result = {
        "flagged": any("flag me" in plain_text(one if isinstance(one, str) else [one]) for one in inputs),
        "categories": dict.fromkeys(_CATEGORIES, False),
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
    }
    model = text(fields, "model") or "omni-moderation-latest"
    made = request.new_id("modr-")
    body = {"id": made, "model": model, "results": [result] * len(inputs)}
    return Reply(frames=whole(encode(body), has_usage=False), content_type=JSON, response_id=made, model=model)


def list_models(_: Request) -> Reply:
    """`GET /v1/models`."""
    data = [{"id": one, "object": "model", "created": _CREATED, "owned_by": "simulator"} for one in OPENAI_MODELS]
    return Reply(frames=whole(encode({"object": "list", "data": data}), has_usage=False), content_type=JSON)


def retrieve_model(request: Request) -> Reply:
    """`GET /v1/models/{model}`."""
    model = require_model(request.call.subject, f"The model '{request.call.subject}' does not exist")
    body = {"id": model, "object": "model", "created": _CREATED, "owned_by": "simulator"}
    return Reply(frames=whole(encode(body), has_usage=False), content_type=JSON, model=model)


def unit_vector(request: Request, pieces: list[Piece], size: int) -> list[float]:
    """A vector of length one that follows from the seed and the content."""
    chance = Chance(request.settings.seed, *(piece.content for piece in pieces))
    raw = [chance.unit() - 0.5 for _ in range(size)]
    norm = math.sqrt(sum(value * value for value in raw)) or 1.0
    return [value / norm for value in raw]


def _encoded(vector: list[float], *, as_text: bool) -> list[float] | str:
    return base64.b64encode(array.array("f", vector).tobytes()).decode() if as_text else vector


def _usage(usage: Usage) -> Mapping[str, Any]:
    return {"prompt_tokens": usage.input_tokens, "total_tokens": usage.input_tokens}
