"""Pressing on a budget: many mixed requests at once, again and again, until nothing more is let through."""

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from support.traffic import Call, Outcomes, send

_MODELS = {
    "chat": ("gpt-4o-mini", "gpt-4.1-mini", "gpt-4o"),
    "messages": ("claude-haiku-4-5-20251001", "claude-sonnet-4-5-20250929"),
    "gemini": ("gemini-2.5-flash",),
    "converse": ("amazon.nova-lite-v1:0",),
}
_WORDS = "The forecast is wide because the sample is small. "

SENT_AGAIN = (402, 429)


@dataclass
class Pressed:
    """What became of the requests."""

    rounds: int = 0
    refused_at_last: int = 0
    """Requests that found no room although nothing was in flight any more."""
    outcomes: Outcomes = field(default_factory=Outcomes)


def requests(seed: int, count: int, *, hangup_rate: float = 0.0, key: str = "vk-e2e") -> Iterator[Call]:
    """A reproducible mix of sizes, models, routes, streamed and not, capped and uncapped."""
    dice = random.Random(seed)
    for number in range(count):
        path, body = _body(dice)
        headers = {
            "authorization": f"Bearer {key}",
            "content-type": "application/json",
            "x-sim-output-tokens": str(dice.randint(1, 400)),
        }
        leaves = dice.randint(0, 1500) if dice.random() < hangup_rate else None
        yield Call(number, path, json.dumps(body).encode(), headers, leaves)


async def press(calls: list[Call], port: int, *, until_idle: Callable[[], None], pressed: Pressed) -> None:
    """Send all calls at once; send again those that found no room, until a round lets none through.

    ``until_idle`` waits until nothing is held any more.
    """
    waiting = calls
    while waiting:
        pressed.rounds += 1
        statuses = await asyncio.gather(*(send(call, port, pressed.outcomes) for call in waiting))
        again = [call for call, status in zip(waiting, statuses, strict=True) if status in SENT_AGAIN]
        await asyncio.to_thread(until_idle)
        if len(again) == len(waiting):
            break
        # A client that left once stays the second time, so that every round ends.
        waiting = [replace(call, leaves_after=None) for call in again]
    pressed.refused_at_last = len(waiting)


def _body(dice: random.Random) -> tuple[str, dict]:
    kind = dice.choices(("chat", "messages", "gemini", "converse"), (8, 5, 3, 2))[0]
    model = dice.choice(_MODELS[kind])
    text = f"case {dice.random()} " + _WORDS * dice.choice((1, 5, 20, 80, 300))
    cap = dice.choice((20, 100, 500, 2000))
    match kind:
        case "chat":
            body = {"model": model, "messages": [{"role": "user", "content": text}], "service_tier": "default"}
            if dice.random() < 0.9:
                body["max_tokens"] = cap
            if dice.random() < 0.5:
                body["stream"] = True
            return "/v1/chat/completions", body
        case "messages":
            said = [{"role": "user", "content": text}]
            return "/anthropic/v1/messages", {
                "model": model,
                "max_tokens": cap,
                "stream": dice.random() < 0.5,
                "messages": said,
            }
        case "gemini":
            method = dice.choice(("generateContent", "streamGenerateContent?alt=sse"))
            body = {"contents": [{"parts": [{"text": text}]}], "generationConfig": {"maxOutputTokens": cap}}
            return f"/gemini/v1beta/models/{model}:{method}", body
        case _:
            method = dice.choice(("converse", "converse-stream"))
            said = [{"role": "user", "content": [{"text": text}]}]
            body = {"messages": said, "inferenceConfig": {"maxTokens": cap}}
            return f"/bedrock/model/{model.replace(':', '%3A')}/{method}", body
