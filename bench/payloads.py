"""The bytes every contestant carries: a chat request of 4,500 bytes, its answer of 1,024, streamed events of 200."""

import json
from typing import Final

MODEL: Final = "gpt-4.1-mini"

REQUEST_BYTES: Final = 4500
ANSWER_BYTES: Final = 1024
EVENT_BYTES: Final = 200

_TEXT: Final = "The quarterly figures show that the cost of search fell while its use grew by a third. "

_SDK_HEADERS: Final = (
    ("accept", "application/json"),
    ("content-type", "application/json"),
    ("user-agent", "OpenAI/Python 2.6.1"),
    ("x-stainless-lang", "python"),
    ("x-stainless-package-version", "2.6.1"),
    ("x-stainless-os", "Linux"),
    ("x-stainless-arch", "x64"),
    ("x-stainless-runtime", "CPython"),
    ("x-stainless-async", "false"),
    ("x-stainless-retry-count", "0"),
    ("x-bursar-team", "search"),
    ("x-bursar-feature", "summaries"),
    ("x-bursar-environment", "production"),
)
"""What the official Python SDK sends, and three tags."""

_PROVIDER_HEADERS: Final = (
    ("Date", "Sat, 22 Nov 2025 05:10:00 GMT"),
    ("openai-processing-ms", "712"),
    ("openai-version", "2020-10-01"),
    ("x-request-id", "req_0123456789abcdef0123456789abcdef"),
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-remaining-requests", "9999"),
    ("x-ratelimit-reset-requests", "6ms"),
    ("Server", "cloudflare"),
    ("CF-RAY", "89abcdef01234567-FRA"),
)


def chat_body(*, stream: bool = False, chunks: int = 0, pause_ms: int = 0, asks_usage: bool = False) -> bytes:
    """A chat request of `REQUEST_BYTES`.

    The provider of this bench reads ``max_tokens`` as the number of chunks to stream and ``seed`` as the pause between
    two of them in milliseconds: ordinary parameters, which every gateway passes on.
    """
    ask = {"model": MODEL, "max_tokens": chunks or 256, "temperature": 0.2, "seed": pause_ms, "stream": stream}
    if asks_usage:
        ask["stream_options"] = {"include_usage": True}
    text = _TEXT * (REQUEST_BYTES // len(_TEXT))
    messages = [{"role": "system", "content": "You summarise."}, {"role": "user", "content": text}]
    body = json.dumps({**ask, "messages": messages}, separators=(",", ":"))
    surplus = len(body) - REQUEST_BYTES
    messages[1]["content"] = text[:-surplus] if surplus > 0 else text + "." * -surplus
    return json.dumps({**ask, "messages": messages}, separators=(",", ":")).encode()


def request_bytes(*, path: str, host: str, headers: tuple[tuple[str, str], ...], body: bytes) -> bytes:
    """A whole HTTP/1.1 request as the official SDK would put it on the wire; ``headers`` come on top of its own."""
    lines = [f"POST {path} HTTP/1.1", f"host: {host}"]
    lines += [f"{name}: {value}" for name, value in (*_SDK_HEADERS, *headers)]
    lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answer_head(content_type: str, framing: str) -> bytes:
    """The head of a provider's answer; ``framing`` is its content-length or transfer-encoding line."""
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {content_type}", "Connection: keep-alive", framing]
    lines += [f"{name}: {value}" for name, value in _PROVIDER_HEADERS]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def answer_body() -> bytes:
    """A chat completion of `ANSWER_BYTES`, usage included."""
    answer = {
        "id": "chatcmpl-CbZQm0f4uJ2Vd7sXy1K9",
        "object": "chat.completion",
        "created": 1763788200,
        "model": f"{MODEL}-2025-04-14",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "", "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": _usage(),
        "service_tier": "default",
        "system_fingerprint": "fp_3502f4eb73",
    }
    missing = ANSWER_BYTES - len(json.dumps(answer))
    answer["choices"][0]["message"]["content"] = (_TEXT * 12)[:missing]
    return json.dumps(answer).encode()


def event(content: str = "cost", *, is_first: bool = False) -> bytes:
    """One streamed chunk of `EVENT_BYTES`, as a server-sent event."""
    delta = {"role": "assistant", "content": ""} if is_first else {"content": content}
    chunk = _chunk(choices=[{"index": 0, "delta": delta, "finish_reason": None}])
    missing = EVENT_BYTES - len(_sse(chunk))
    delta["content"] += "." * max(0, missing)
    return _sse(chunk)


def last_events(*, has_usage: bool) -> bytes:
    """What ends a stream: the finish reason, the usage chunk where it was asked for, and the end marker."""
    end = _sse(_chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    usage = _sse({**_chunk(choices=[]), "usage": _usage()}) if has_usage else b""
    return end + usage + b"data: [DONE]\n\n"


def _chunk(choices: list[dict[str, object]]) -> dict[str, object]:
    return {
        "id": "chatcmpl-CbZQm0f4uJ2Vd7sXy1K9",
        "object": "chat.completion.chunk",
        "created": 1763788200,
        "model": MODEL,
        "choices": choices,
    }


def _usage() -> dict[str, object]:
    return {
        "prompt_tokens": 1012,
        "completion_tokens": 96,
        "total_tokens": 1108,
        "prompt_tokens_details": {"cached_tokens": 512, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _sse(value: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"
