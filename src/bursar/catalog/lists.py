"""Which price list applies to a configured provider."""

from collections.abc import Mapping
from typing import Final

from bursar.config import Provider

PRICE_LISTS: Final[Mapping[str, str]] = {
    "gemini": "google",
    "xai": "x-ai",
    "bedrock": "aws",
}
"""Catalog provider of a dialect, where the names differ."""


def price_list_of(provider: Provider) -> str:
    """The catalog provider whose prices a configured provider is charged by: its own setting, or its dialect's."""
    return provider.prices or PRICE_LISTS.get(provider.dialect, provider.dialect)
