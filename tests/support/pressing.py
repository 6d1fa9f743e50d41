"""Pressing on a budget: many mixed requests at once, again and again, until nothing more is let through."""

import asyncio
import json
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from bursar.ledger.questions import AttemptRow
from support.serving import ServedGateway
from support.traffic import Call, Outcomes, send

_MODELS = {
    "chat": ("gpt-4o-mini", "gpt-4.1-mini", "gpt-4o"),
    "messages": ("claude-haiku-4-5-20251001", "claude-sonnet-4-5-20250929"),
    "gemini": ("gemini-2.5-flash",),
    "converse": ("amazon.nova-lite-v1:0",),
}
_WORDS = "The forecast is wide because the sample is small. "

SENT_AGAIN = (402, 429)

BUDGET = """
[[budgets]]
name = "dollar"
limit_usd = "1.00"
period = "total"
[counters]
lease_s = 2
"""
"""One dollar for everybody, for ever; what a dead worker held returns soon."""


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


def held(gateway: ServedGateway) -> bool:
    """Whether anything is held in the budget; its balances are known once they were read from the ledger."""
    status, body = gateway.get("/api/v1/budgets")
    return status != 200 or json.loads(body)[0]["held_usd"] != "0.00"


def press_on(
    gateway: ServedGateway, calls: Iterable[Call], *, kill: Callable[[], None] | None = None, after: int = 60
) -> Pressed:
    """Press on a gateway; ``kill`` is called once ``after`` answers have arrived."""
    gateway.until(lambda: gateway.get("/readyz")[0] == 200, "what was spent before")
    pressed = Pressed()

    def until_idle() -> None:
        gateway.until(lambda: not held(gateway), "the end of every hold")

    def wait_and_kill() -> None:
        gateway.until(lambda: len(pressed.outcomes.complete) >= after, "the first answers")
        kill()

    killer = threading.Thread(target=wait_and_kill if kill is not None else lambda: None)
    killer.start()
    try:
        asyncio.run(press(list(calls), gateway.port, until_idle=until_idle, pressed=pressed))
    finally:
        killer.join()
    return pressed


def spend_of(rows: list[AttemptRow]) -> tuple[int, int, list[AttemptRow]]:
    """Settled spend, the same with unknown costs at their bounds, and the rows that found no room, newest first."""
    sent = [row for row in rows if row.outcome not in ("refused", "interrupted")]
    spent = sum(row.cost or 0 for row in sent)
    charged = sum(row.cost if row.cost is not None else row.bound for row in sent)
    refused = [row for row in rows if row.error == "budget_exceeded"]
    return spent, charged, sorted(refused, key=lambda row: row.at_us, reverse=True)


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
