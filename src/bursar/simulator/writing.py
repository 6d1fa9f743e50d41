"""Invent the answer to an `Ask`: prose, a JSON value, or a call of an offered tool.

A pure function of the ask, the chance and the steering. Prose is plain ASCII, so a length in tokens can be met exactly.
"""

import re
from typing import Final

import msgspec
from msgspec import Struct

from bursar.simulator.ask import Answer, Ask, Choice, Finish, Tool, ToolCall
from bursar.simulator.chance import Chance
from bursar.simulator.schema import example_of
from bursar.simulator.steering import Steering
from bursar.simulator.tokens import BYTES_PER_TOKEN, count_tokens

_SENTENCES: Final = (
    "The short answer is yes, with one condition that is easy to check.",
    "Start from the figures for last month and work backwards.",
    "Most of the difference comes from a handful of large customers.",
    "Nothing in the contract forbids it, but the notice period matters.",
    "The second option costs less and can be undone.",
    "Two of the three tests pass, and the third fails for a known reason.",
    "I would keep the interface as it is and change what lies behind it.",
    "The delay is caused by the queue, not by the database.",
    "Ask the supplier for the batch number before you accept the delivery.",
    "That reading is supported by the table on the previous page.",
    "A smaller model answers this kind of question just as well.",
    "The report should name the period, the currency and the source.",
    "It helps to separate what is known from what is assumed.",
    "The same request was made in spring and was granted.",
    "If the total changes, the summary has to be written again.",
    "There are four steps, and only the last one needs approval.",
    "The error appears after the upgrade and on one machine only.",
    "Each invoice carries a reference that leads back to the order.",
    "The forecast is wide because the sample is small.",
    "In short, measure first, then decide, then measure again.",
)

_OPENINGS: Final = ("", "Here is how I see it.", "Thank you for the details.", "Let us go through it step by step.")

_EFFORT_SHARE: Final = {"minimal": 0.05, "low": 0.2, "medium": 0.4, "high": 0.6, "xhigh": 0.7, "max": 0.75}
"""Reasoning as a share of the output, by effort: plausible, not measured."""

_COMMON_WORDS: Final = frozenset({"call", "find", "from", "list", "make", "send", "show", "tool", "with", "your"})


class Style(Struct, frozen=True):
    """How long answers are when nothing else decides."""

    median_tokens: int
    sigma: float


def compose(ask: Ask, chance: Chance, steering: Steering, style: Style) -> Answer:
    """Answer a request. ``max_tokens`` bounds reasoning and answer together, as providers count it."""
    tool = _tool_for(ask)
    if tool is None and ask.json_schema is None:
        return _prose(ask, chance, steering, style)
    if tool is not None:
        visible = _encoded(example_of(tool.schema, chance) if tool.schema.get("properties") else {})
    else:
        visible = _encoded(example_of(ask.json_schema or {}, chance))
    budget = ask.max_tokens
    reasoning_tokens = _reasoning_tokens(ask, steering, count_tokens(visible))
    if budget is not None:
        reasoning_tokens = min(reasoning_tokens, budget)
        budget -= reasoning_tokens
    choice = _tool_choice(tool, visible, budget) if tool else _cut(visible, budget)
    return Answer((choice,) * ask.answers, _sentences(chance, reasoning_tokens))


def output_tokens_of(choice: Choice) -> int:
    """Tokens of one choice as the provider counts them."""
    call = choice.tool_call
    return count_tokens(choice.text) + (count_tokens(call.name) + count_tokens(call.arguments) if call else 0)


def _prose(ask: Ask, chance: Chance, steering: Steering, style: Style) -> Answer:
    steered = steering.output_tokens
    total = steered if steered is not None else max(1, round(chance.log_normal(style.median_tokens, style.sigma)))
    reasoning = _reasoning_tokens(ask, steering, total)
    if steered is None:
        total += reasoning
    finish = Finish.STOP
    if ask.max_tokens is not None and total > ask.max_tokens:
        total, finish = ask.max_tokens, Finish.LENGTH
    reasoning = min(reasoning, total)
    thought = _sentences(chance, reasoning)
    choices = tuple(
        _stopped(ask, _sentences(chance, total - reasoning, ends=finish is Finish.STOP), finish)
        for _ in range(ask.answers)
    )
    return Answer(choices, thought)


def _reasoning_tokens(ask: Ask, steering: Steering, output_tokens: int) -> int:
    if steering.reasoning_tokens is not None:
        return steering.reasoning_tokens
    if ask.effort is None:
        return 0
    return int(output_tokens * _EFFORT_SHARE.get(ask.effort, 0.4))


def _sentences(chance: Chance, tokens: int, *, ends: bool = False) -> str:
    """Exactly ``tokens`` tokens of prose; with ``ends``, the last character is a full stop."""
    size = tokens * BYTES_PER_TOKEN
    if not size:
        return ""
    parts = [chance.pick(_OPENINGS)]
    length = len(parts[0])
    while length < size:
        sentence = chance.pick(_SENTENCES)
        parts.append(sentence)
        length += len(sentence) + 1
    text = " ".join(parts).lstrip()[:size].ljust(size, ".")
    return text[:-1] + "." if ends else text


def _stopped(ask: Ask, text: str, finish: Finish) -> Choice:
    for stop in ask.stop:
        at = text.find(stop) if stop else -1
        if at >= 0:
            return Choice(text[:at], Finish.STOP_SEQUENCE, stop_sequence=stop)
    return Choice(text, finish)


def _cut(text: str, budget: int | None) -> Choice:
    if budget is None or count_tokens(text) <= budget:
        return Choice(text, Finish.STOP)
    return Choice(text.encode()[: budget * BYTES_PER_TOKEN].decode(errors="ignore"), Finish.LENGTH)


def _tool_choice(tool: Tool, arguments: str, budget: int | None) -> Choice:
    left = None if budget is None else max(0, budget - count_tokens(tool.name))
    cut = _cut(arguments, left)
    finish = Finish.TOOL if cut.finish is Finish.STOP else Finish.LENGTH
    return Choice("", finish, ToolCall(tool.name, cut.text))


def _tool_for(ask: Ask) -> Tool | None:
    """The tool to call: the one that is forced, or the first the question speaks of."""
    if not ask.tools or ask.tool_choice == "none":
        return None
    if ask.tool_choice.startswith("="):
        return next((tool for tool in ask.tools if tool.name == ask.tool_choice[1:]), None)
    spoken = set(re.findall(r"[a-z]{4,}", ask.question.lower()))
    asked = next((tool for tool in ask.tools if _is_spoken_of(tool, ask.question, spoken)), None)
    if ask.tool_choice == "any":
        return asked or ask.tools[0]
    return None if ask.follows_tool_result else asked


def _is_spoken_of(tool: Tool, question: str, spoken: set[str]) -> bool:
    if tool.name in question:
        return True
    words = {word for word in re.findall(r"[a-z]{4,}", tool.name.lower()) if word not in _COMMON_WORDS}
    return bool(words & spoken)


def _encoded(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return msgspec.json.format(text, indent=0)
