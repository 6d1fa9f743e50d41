"""OpenAI-compatible providers: one wire format, small differences, kept as data.

A flavour says only what cannot be read off an answer. Whether cached or reasoning tokens sit inside the totals is
probed from the figures themselves (`openai_usage`), since one endpoint in front of many models may do both.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from bursar.config import DialectName
from bursar.dialects.fields import count, mapping
from bursar.money import Pico, parse_usd
from bursar.usage import Meter

_PICO_PER_TICK: Final = 100
"""xAI: 1 USD = 10^10 ticks (docs.x.ai, "Cost tracking", read 2026-11)."""


_MOST_USD: Final = 10**9
"""No answer costs more; a larger figure (or infinity) is garbage."""


def _no_cost(_usage: Mapping[str, Any]) -> Pico | None:
    return None


def _ticks(usage: Mapping[str, Any]) -> Pico | None:
    ticks = count(usage, "cost_in_usd_ticks", [])
    return None if ticks is None else Pico(ticks * _PICO_PER_TICK)


def _openrouter_cost(usage: Mapping[str, Any]) -> Pico | None:
    """``cost`` is what OpenRouter charges; with the caller's own key (BYOK) the upstream bills its inference too."""
    charged = _usd(usage.get("cost"))
    if charged is None or usage.get("is_byok") is not True:
        return charged
    upstream = _usd(mapping(usage.get("cost_details")).get("upstream_inference_cost"))
    return None if upstream is None else Pico(charged + upstream)


def _no_fees(_usage: Mapping[str, Any]) -> Mapping[Meter, int]:
    return {}


def _xai_fees(usage: Mapping[str, Any]) -> Mapping[Meter, int]:
    """Server-side tools by their own counts; older answers with live search only count the sources it used."""
    tools = mapping(usage.get("server_side_tool_usage_details"))
    fees: dict[Meter, int] = {}
    for name, meter in _XAI_TOOLS:
        fees[meter] = fees.get(meter, 0) + (count(tools, name, []) or 0)
    if not tools:
        fees[Meter.SEARCHES] = count(usage, "num_sources_used", []) or 0
    return fees


_XAI_TOOLS: Final = (
    ("web_search_calls", Meter.SEARCHES),
    ("x_search_calls", Meter.SEARCHES),
    ("file_search_calls", Meter.FILE_SEARCHES),
    ("document_search_calls", Meter.FILE_SEARCHES),
    ("code_interpreter_calls", Meter.CODE_EXECUTIONS),
)


def _openrouter_fees(usage: Mapping[str, Any]) -> Mapping[Meter, int]:
    searches = count(mapping(usage.get("server_tool_use")), "web_search_requests", [])
    return {Meter.SEARCHES: searches} if searches else {}


def _usd(value: object) -> Pico | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST_USD:
        return None
    return parse_usd(f"{value:.12f}")


class Flavour(Struct, frozen=True):
    """How one provider's use of the OpenAI format differs."""

    name: DialectName
    asks_usage: bool = True
    """Streams report usage only on request (``stream_options.include_usage``); False where they always do, or where
    the option is refused."""
    cache_write: Meter = Meter.CACHE_WRITE_5M
    """The meter of cache writes whose time to live the answer does not tell."""
    reasoning_beside: bool = False
    """Reasoning tokens are billed on top of the completion tokens."""
    chat_cap: str = "max_tokens"
    """The parameter that caps a chat's answer, for requests that set none."""
    added_input: int = 128
    """Input tokens that the provider adds to any request at most: what its chat template writes around the messages.
    The largest recorded is GPT-OSS's, 70 tokens (recorded Groq traffic, 2026-11)."""
    search_models: bool = False
    """Chat models that always search once an answer and never say so in usage (OpenAI's ``*-search-preview``)."""
    provider_cost: Callable[[Mapping[str, Any]], Pico | None] = _no_cost
    """What the provider says it charged, from its usage object."""
    tool_fees: Callable[[Mapping[str, Any]], Mapping[Meter, int]] = _no_fees
    """Billed tool calls that the usage object itself counts."""


OPENAI: Final = Flavour(
    "openai", chat_cap="max_completion_tokens", cache_write=Meter.CACHE_WRITE_30M, search_models=True
)
AZURE: Final = Flavour("azure", chat_cap="max_completion_tokens", cache_write=Meter.CACHE_WRITE_30M, search_models=True)
MISTRAL: Final = Flavour("mistral", asks_usage=False)
DEEPSEEK: Final = Flavour("deepseek")
XAI: Final = Flavour(
    "xai",
    asks_usage=False,
    chat_cap="max_completion_tokens",
    reasoning_beside=True,
    added_input=1024,  # Grok models answer under instructions of xAI's own, about 700 tokens with Grok 4
    provider_cost=_ticks,
    tool_fees=_xai_fees,
)
GROQ: Final = Flavour("groq", asks_usage=False, chat_cap="max_completion_tokens")
OPENROUTER: Final = Flavour(
    "openrouter",
    asks_usage=False,
    added_input=768,  # in front of Claude, whose instructions on tools are the longest (`anthropic_blocks`)
    provider_cost=_openrouter_cost,
    tool_fees=_openrouter_fees,
)
TOGETHER: Final = Flavour("together")
COHERE: Final = Flavour("cohere")
VLLM: Final = Flavour("vllm")
OLLAMA: Final = Flavour("ollama")

FLAVOURS: Final[Mapping[DialectName, Flavour]] = {
    flavour.name: flavour
    for flavour in (OPENAI, AZURE, MISTRAL, DEEPSEEK, XAI, GROQ, OPENROUTER, TOGETHER, COHERE, VLLM, OLLAMA)
}
