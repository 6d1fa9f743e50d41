"""Groq's compound systems: tools run on the server, and usage broken down by the models that took part.

A compound answer names the tools it executed, each with a fee of its own, and ``usage_breakdown`` gives every model's
tokens; they add up to the answer's usage, and each share is billed at its model's price (console.groq.com, "Compound",
read 2026-11; recorded traffic: 138 + 495 + 2,378 + 2,285 = 5,296 input tokens).
"""

from collections.abc import Mapping
from typing import Any, Final

from bursar.dialects.fields import mapping, objects, text
from bursar.dialects.flavours import Flavour
from bursar.dialects.openai_usage import settle
from bursar.events import Part
from bursar.usage import Meter, Usage, usage_of

_TOOLS: Final[Mapping[str, Meter]] = {
    "search": Meter.SEARCHES,
    "web_search": Meter.SEARCHES,
    "visit": Meter.FETCHES,
    "visit_website": Meter.FETCHES,
    "python": Meter.CODE_EXECUTIONS,
    "code_interpreter": Meter.CODE_EXECUTIONS,
}


def note_executed(executed: dict[object, str], tools: object) -> None:
    """Remember executed tools by their index; a stream names each twice, when it starts and when it has its result."""
    for position, tool in enumerate(objects(tools)):
        kind = text(tool.get("type"))
        if kind:
            index = tool.get("index")
            executed[index if isinstance(index, int) else position] = kind


def executed_usage(executed: Mapping[object, str]) -> Usage:
    """The fees of executed tools."""
    fees: dict[Meter, int] = {}
    for kind in executed.values():
        meter = _TOOLS.get(kind)
        if meter is not None:
            fees[meter] = fees.get(meter, 0) + 1
    return usage_of(fees)


def model_shares(breakdown: Mapping[str, Any], flavour: Flavour) -> tuple[Part, ...]:
    """Each model's tokens, in order of first appearance."""
    shares: dict[str, Usage] = {}
    for entry in objects(breakdown.get("models")):
        model = text(entry.get("model"))
        usage = settle(mapping(entry.get("usage")), flavour).usage
        if model and usage is not None:
            shares[model] = shares[model] + usage if model in shares else usage
    return tuple(Part(model, usage) for model, usage in shares.items())
