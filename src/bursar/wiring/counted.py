"""Which accounts existed under which configuration, for as long as the counters live.

A row names the configuration in force at its admission; this says whether its settlement was counted in an account.
"""

from collections.abc import Set as AbstractSet


class Counted:
    """Stems of account names by the digest of the configuration that knew them."""

    def __init__(self) -> None:
        self._stems: dict[str, AbstractSet[str]] = {}

    def add(self, digest: str, stems: AbstractSet[str]) -> None:
        """Under this configuration, from now on, settlements count in these accounts."""
        self._stems[digest] = stems

    def digests(self, stem: str) -> tuple[str, ...]:
        """Configurations under which attempts were counted in a budget's accounts, sorted."""
        return tuple(sorted(digest for digest, stems in self._stems.items() if stem in stems))
