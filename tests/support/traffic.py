"""Mixed traffic: seeded calls in every dialect, streamed and not, some of whose clients leave early."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

_MODELS = {
    "openai": ("gpt-4o-mini", "gpt-4.1", "gpt-5-mini", "o4-mini"),
    "anthropic": ("claude-sonnet-5", "claude-haiku-4-5", "claude-opus-4-5"),
    "gemini": ("gemini-2.5-flash", "gemini-2.5-pro"),
    "bedrock": ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-lite-v1:0"),
}
_TEAMS = ("search", "support", "growth")
_FEATURES = ("chat", "summaries", "triage", "agent")
_LOREM = "The forecast is wide because the sample is small, and the second option can be undone. "


@dataclass(frozen=True)
class Call:
    """One request and when, if ever, its client leaves."""

    number: int
    path: str
    body: bytes
    headers: dict[str, str]
    leaves_after: int | None = None
    """Answer bytes after which the client hangs up; ``None`` = it stays."""


@dataclass
class Outcomes:
    """What clients saw."""

    complete: dict[str, int] = field(default_factory=dict)
    """Gateway request id to HTTP status, for answers that arrived whole."""
    broken: int = 0
    left: int = 0
    unreachable: int = 0


def calls(seed: int, count: int, *, hangup_rate: float = 0.0) -> Iterator[Call]:
    """A reproducible mix of calls."""
    dice = random.Random(seed)
    for number in range(count):
        kind = dice.choices(
            ("openai", "responses", "embeddings", "anthropic", "gemini", "bedrock"), (8, 2, 1, 6, 3, 2)
        )[0]
        path, body = _REQUESTS[kind](dice)
        headers = {
            "authorization": "Bearer vk-e2e",
            "content-type": "application/json",
            "x-bursar-team": dice.choice(_TEAMS),
            "x-bursar-feature": dice.choice(_FEATURES),
            "x-sim-output-tokens": str(dice.randint(1, 60)),
        }
        leaves = dice.randint(0, 1500) if dice.random() < hangup_rate else None
        yield Call(number, path, json.dumps(body).encode(), headers, leaves)


async def drive(traffic: Iterator[Call], port: int, *, concurrency: int, outcomes: Outcomes) -> None:
    """Send calls, each on its own connection, some at a time."""

    async def worker() -> None:
        for call in traffic:
            await send(call, port, outcomes)

    await asyncio.gather(*(worker() for _ in range(concurrency)))


async def send(call: Call, port: int, outcomes: Outcomes) -> int | None:
    """Send one call on a connection of its own; its status, ``None`` when there was no whole answer."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        outcomes.unreachable += 1
        return None
    try:
        head = [f"POST {call.path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(call.body)}"]
        head += [f"{name}: {value}" for name, value in call.headers.items()]
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + call.body)
        return await _read(call, reader, outcomes)
    except (OSError, asyncio.IncompleteReadError, IndexError, ValueError):
        outcomes.broken += 1
        return None
    finally:
        writer.close()


async def _read(call: Call, reader: asyncio.StreamReader, outcomes: Outcomes) -> int | None:
    status = int((await reader.readline()).split(b" ")[1])
    headers = {}
    while (line := (await reader.readline()).strip()) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    seen = 0
    async for size in _body(reader, headers):
        seen += size
        if call.leaves_after is not None and seen > call.leaves_after:
            outcomes.left += 1
            return None
    outcomes.complete[headers["x-bursar-request-id"]] = status
    return status


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> AsyncIterator[int]:
    if headers.get("transfer-encoding") != "chunked":
        yield len(await reader.readexactly(int(headers["content-length"])))
        return
    while True:
        size = int((await reader.readuntil(b"\r\n")).strip(), 16)
        await reader.readexactly(size + 2)
        if size == 0:
            return
        yield size


def _prompt(dice: random.Random) -> str:
    return f"case {dice.random()} " + _LOREM * dice.randint(1, 40)


def _openai(dice: random.Random) -> tuple[str, dict]:
    body = {"model": dice.choice(_MODELS["openai"]), "messages": [{"role": "user", "content": _prompt(dice)}]}
    if dice.random() < 0.5:
        body["stream"] = True
        if dice.random() < 0.3:
            body["stream_options"] = {"include_usage": True}
    return "/v1/chat/completions", body


def _responses(dice: random.Random) -> tuple[str, dict]:
    return "/v1/responses", {
        "model": dice.choice(_MODELS["openai"]),
        "input": _prompt(dice),
        "stream": dice.random() < 0.5,
    }


def _embeddings(dice: random.Random) -> tuple[str, dict]:
    return "/v1/embeddings", {"model": "text-embedding-3-small", "input": _prompt(dice)}


def _anthropic(dice: random.Random) -> tuple[str, dict]:
    content = [{"type": "text", "text": _LOREM * 60, "cache_control": {"type": "ephemeral"}}]
    return "/anthropic/v1/messages", {
        "model": dice.choice(_MODELS["anthropic"]),
        "max_tokens": 400,
        "stream": dice.random() < 0.5,
        "system": content if dice.random() < 0.4 else "Be brief.",
        "messages": [{"role": "user", "content": _prompt(dice)}],
    }


def _gemini(dice: random.Random) -> tuple[str, dict]:
    method = dice.choice(("generateContent", "streamGenerateContent?alt=sse", "streamGenerateContent"))
    body = {"contents": [{"role": "user", "parts": [{"text": _prompt(dice)}]}]}
    return f"/gemini/v1beta/models/{dice.choice(_MODELS['gemini'])}:{method}", body


def _bedrock(dice: random.Random) -> tuple[str, dict]:
    method = dice.choice(("converse", "converse-stream"))
    model = dice.choice(_MODELS["bedrock"]).replace(":", "%3A")
    return f"/bedrock/model/{model}/{method}", {"messages": [{"role": "user", "content": [{"text": _prompt(dice)}]}]}


_REQUESTS = {
    "openai": _openai,
    "responses": _responses,
    "embeddings": _embeddings,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "bedrock": _bedrock,
}
