"""A second price source: JSON price maps in LiteLLM's format, read without ever passing through floating point.

The map has no dates and one flat key for each figure: a base such as ``input_cost_per_token``, then optionally
``_above_1hr`` (cache lifetime), ``_above_200k_tokens`` (context tier) and ``_batches``, ``_priority`` or ``_flex``.
Keys that price something else are left alone: this is a source to compare with, not to charge by.
"""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from bursar.catalog.conditions import Conditions
from bursar.errors import BursarError
from bursar.usage import Meter

PROVIDERS: Final[Mapping[str, str]] = {
    "anthropic": "anthropic",
    "azure": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "deepseek": "deepseek",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "groq": "groq",
    "minimax": "minimax",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "novita": "novita",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together_ai": "together",
    "voyage": "voyageai",
    "xai": "x-ai",
    "zai": "zai",
}
"""The map's providers and the catalog's names for them; others have no list to compare with."""

_METERS: Final[Mapping[str, Meter]] = {
    "input_cost_per_token": Meter.INPUT_TEXT,
    "input_cost_per_audio_token": Meter.INPUT_AUDIO,
    "input_cost_per_image_token": Meter.INPUT_IMAGE,
    "cache_read_input_token_cost": Meter.CACHE_READ,
    "cache_creation_input_token_cost": Meter.CACHE_WRITE_5M,
    "cache_creation_input_token_cost_above_1hr": Meter.CACHE_WRITE_1H,
    "output_cost_per_token": Meter.OUTPUT_TEXT,
    "output_cost_per_audio_token": Meter.OUTPUT_AUDIO,
    "output_cost_per_image_token": Meter.OUTPUT_IMAGE,
    "output_cost_per_reasoning_token": Meter.OUTPUT_REASONING,
}

_VARIANTS: Final[Mapping[str, Conditions]] = {
    "": (),
    "_batches": (("processing", "batch"),),
    "_priority": (("service_tier", "priority"),),
    "_flex": (("service_tier", "flex"),),
}

_KEY: Final = re.compile(
    r"(?P<base>[a-z_]+?(?:_above_1hr)?)(?:_above_(?P<kilo>\d+)k_tokens)?(?P<variant>_batches|_priority|_flex)?"
)


class Figure(Struct, frozen=True):
    """One figure of the map: what it prices, and USD for one unit."""

    key: str
    meter: Meter
    above_input_tokens: int
    """The context tier it holds above; 0 for the ordinary price."""
    conditions: Conditions
    usd: Decimal


class MapEntry(Struct, frozen=True):
    """One model of the map, under the catalog's name of its provider."""

    provider: str
    model: str
    figures: tuple[Figure, ...]


def read_map(data: bytes) -> tuple[MapEntry, ...]:
    """The map's models whose provider the catalog may know, those without token prices left out.

    Raises BursarError when the file is not a JSON object of objects.
    """
    try:
        raw = json.loads(data, parse_float=Decimal)
    except ValueError as broken:
        raise BursarError(f"the price map is not JSON: {broken}") from None
    if not isinstance(raw, dict):
        raise BursarError("the price map is not a JSON object by model")
    return tuple(_entries(raw))


def _entries(raw: Mapping[str, Any]) -> Iterator[MapEntry]:
    for name, facts in raw.items():
        if not isinstance(facts, dict):
            raise BursarError(f"the price map's entry '{name}' is not an object")
        owner = facts.get("litellm_provider", "")
        figures = tuple(_figures(facts))
        if owner in PROVIDERS and figures:
            yield MapEntry(PROVIDERS[owner], name.removeprefix(f"{owner}/"), figures)


def _figures(facts: Mapping[str, Any]) -> Iterator[Figure]:
    for key, value in facts.items():
        parts = _KEY.fullmatch(key)
        if parts is None or parts["base"] not in _METERS:
            continue
        if isinstance(value, Decimal | int) and not isinstance(value, bool):
            yield Figure(
                key=key,
                meter=_METERS[parts["base"]],
                above_input_tokens=int(parts["kilo"] or 0) * 1000,
                conditions=_VARIANTS[parts["variant"] or ""],
                usd=Decimal(value),
            )
