"""Where the figures of price cards come from, for people who read a cost."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bursar.catalog.compiled import find_card
from bursar.catalog.snapshot import Catalog

OLDER: Final = "a card of an older catalog"


def card_sources(card_ids: Iterable[str], *, catalog: Catalog, data_dir: Path) -> dict[str, str]:
    """The source of each card by its id: from the catalog in force, else from the snapshots that were in force before.

    A card that is in neither is left out. Reads files for cards that are not in force any more.
    """
    sources: dict[str, str] = {}
    for card_id in card_ids:
        card = catalog.card(card_id)
        if card is not None:
            sources[card_id] = card.source
            continue
        card = find_card(data_dir, card_id)
        if card is not None:
            sources[card_id] = f"{card.source} ({OLDER})"
    return sources
