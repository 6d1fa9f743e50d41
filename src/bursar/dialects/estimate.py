"""Estimates for answers that broke off before the provider reported usage.

No exact public tokeniser exists for most current models and counting tokens is too slow for the request path, so an
estimate is a rate: four UTF-8 bytes a token, the ratio providers themselves quote for English text. Every figure that
comes from here is marked ``estimated`` in the row.
"""

from typing import Final

BYTES_PER_TOKEN: Final = 4
"""OpenAI, "What are tokens": about four characters of English a token (help.openai.com, read 2026-11)."""


def tokens_of(text_bytes: int) -> int:
    """Estimated tokens of a text of this many UTF-8 bytes, rounded up."""
    return -(-text_bytes // BYTES_PER_TOKEN)
