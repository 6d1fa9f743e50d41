"""Which models the simulator lists, which dated snapshot an alias stands for, and what a name says about a model.

Any name is answered; only a name with "does-not-exist" in it is unknown, so that the errors can be seen.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

from bursar.simulator.exchange import Problem

Caching = Literal["automatic", "automatic-billed", "none"]

_SNAPSHOTS: Final[Mapping[str, str]] = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5-nano": "gpt-5-nano-2025-08-07",
    "o3": "o3-2025-04-16",
    "o3-mini": "o3-mini-2025-01-31",
    "o4-mini": "o4-mini-2025-04-16",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-opus-4-5": "claude-opus-4-5-20251101",
}
"""Aliases and what the providers answered them with in recordings and model lists (read 2026-11)."""

OPENAI_MODELS: Final = (
    "gpt-4o-mini",
    "gpt-4.1",
    "gpt-5-mini",
    "gpt-5.6-sol",
    "o4-mini",
    "text-embedding-3-small",
    "gpt-image-1",
    "whisper-1",
)
ANTHROPIC_MODELS: Final = ("claude-haiku-4-5-20251001", "claude-sonnet-4-5-20250929", "claude-opus-4-8")
GEMINI_MODELS: Final = ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-3.5-flash", "gemini-embedding-001")

_REASONING: Final = re.compile(r"(^|[./:])(o[1-9]|gpt-[5-9]|codex|gpt-oss|deepseek-r|deepseek\.r)")
_UNCACHED: Final = re.compile(r"^(gpt-3|gpt-4(-|$)|davinci|babbage|text-)")
_BILLED_WRITES: Final = re.compile(r"(^|[./:])gpt-(5\.([6-9]|\d\d)|[6-9])")


def snapshot_of(model: str) -> str:
    """The dated model that answers to a name."""
    return _SNAPSHOTS.get(model, model)


def require_model(model: str, message: str) -> str:
    """The name itself; a `Problem` for one that is empty or says that it does not exist."""
    if not model or "does-not-exist" in model:
        raise Problem("not_found", message, code="model_not_found")
    return model


def openai_effort(model: str, asked: str | None) -> str | None:
    """How hard an OpenAI model reasons: as asked, else medium; not at all for models that do not reason."""
    if not _REASONING.search(model) or "chat" in model or asked == "none":
        return None
    return asked or "medium"


def openai_caching(model: str) -> Caching:
    """How OpenAI caches this model's prompts ("Prompt caching", read 2026-11): billed writes from GPT-5.6 on."""
    if _UNCACHED.match(model):
        return "none"
    return "automatic-billed" if _BILLED_WRITES.search(model) else "automatic"
