"""Estimates for answers that broke off before the provider reported usage.

No exact public tokeniser exists for most current models and counting tokens is too slow for the request path, so an
estimate is a rate: four UTF-8 bytes a token, the ratio providers themselves quote for English text. Every figure that
comes from here is marked ``estimated`` in the row.
"""

from collections.abc import Mapping
from typing import Final

BYTES_PER_TOKEN: Final = 4
"""OpenAI, "What are tokens": about four characters of English a token (help.openai.com, read 2026-11)."""


def tokens_of(text_bytes: int) -> int:
    """Estimated tokens of a text of this many UTF-8 bytes, rounded up."""
    return -(-text_bytes // BYTES_PER_TOKEN)


_NOT_TEXT: Final = frozenset({"data", "bytes", "inlineData", "inline_data", "url", "signature", "thoughtSignature"})
"""Fields whose strings are not read as text: encoded media, addresses, opaque signatures."""


def text_bytes(document: object) -> int:
    """UTF-8 bytes of the text in a decoded JSON document: its strings and names, encoded media left out."""
    total = 0
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            total += 0 if value.startswith("data:") else len(value.encode(errors="replace"))
        elif isinstance(value, Mapping):
            total += sum(map(len, value))
            pending += [member for name, member in value.items() if name not in _NOT_TEXT]
        elif isinstance(value, list):
            pending += value
    return total
