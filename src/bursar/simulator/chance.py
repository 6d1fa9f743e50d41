"""Deterministic randomness: a stream of numbers that follows from a seed and a few words, on any machine.

The generator is SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014), chosen
because a fresh stream costs one hash and no state is shared between requests. Not for secrets.
"""

import hashlib
import math
from collections.abc import Sequence
from typing import Final, TypeVar

_MASK: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15

_Item = TypeVar("_Item")


class Chance:
    """A stream of random numbers fixed by ``seed`` and ``words``."""

    def __init__(self, seed: int, *words: bytes) -> None:
        digest = hashlib.blake2b(digest_size=8, key=(seed & _MASK).to_bytes(8, "big"))
        for word in words:
            digest.update(len(word).to_bytes(4, "big"))
            digest.update(word)
        self._state = int.from_bytes(digest.digest(), "big")

    def bits(self) -> int:
        """The next 64 random bits."""
        self._state = (self._state + _GOLDEN) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def unit(self) -> float:
        """A number in [0, 1)."""
        return (self.bits() >> 11) / (1 << 53)

    def below(self, limit: int) -> int:
        """A whole number in [0, limit)."""
        return self.bits() % limit

    def pick(self, items: Sequence[_Item]) -> _Item:
        """One of the items, each as likely as the others."""
        return items[self.bits() % len(items)]

    def log_normal(self, median: float, sigma: float) -> float:
        """A log-normal number: half of them lie below ``median``, ``sigma`` is the spread of the logarithm."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.unit()))
        return median * math.exp(sigma * radius * math.cos(2.0 * math.pi * self.unit()))
