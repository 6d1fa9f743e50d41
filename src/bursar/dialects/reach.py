"""How far a request's cost can reach past what its bytes and its output cap show.

The bound on a request starts from two facts: a token of its input is no smaller than a byte of its body, and its answer
ends at its output cap. A `Reach` lists what breaks them: input that the body only points at, media whose tokens do not
follow from their bytes, tools that the provider runs by itself, fees beside the tokens.

It fails closed: a part, an item or a tool that a dialect does not know to be plain text reaches past the body.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from bursar.dialects.fields import mapping

Most = tuple[tuple[int, int | None], ...]
"""(meter, the most of it) pairs; ``None`` = the request sets no limit."""


class Reach(Struct, frozen=True):
    """What an upper bound must add; the defaults add nothing."""

    added_input: int = 0
    """Input tokens that the provider adds by itself: chat templates, its own instructions on the use of tools."""
    added_output: int = 0
    """Output tokens that are billed on top of the cap, such as a prediction's rejected tokens."""
    is_cap_partial: bool = False
    """Reasoning is billed beside the output that the cap counts, and nothing in the request caps it."""
    answers: int = 1
    """How many answers the request asks for; each has the whole output cap."""
    rounds: int = 1
    """How often the model may run over a context: tools on the provider's side feed their results back to it."""
    open_input: str | None = None
    """What may bring input that the body does not hold (``previous_response_id``, ``an audio part``); then only the
    model's context window bounds the input."""
    images: int = 0
    """Images shown to the model, inline or by address: their tokens follow from their pixels, not from their bytes."""
    media_bytes: int = 0
    """Bytes of the body that are those images, encoded, and not text."""
    fees: Most = ()
    """Billed beside the tokens wherever the card has a price for it or not: searches, fetches, executions."""
    instead: Most = ()
    """Billed by cards that price it and free on all others, which count tokens: images, characters, audio by time."""
    asks: tuple[tuple[str, str], ...] = ()
    """Price conditions that are served only on request: ("speed", "fast")."""
    unbounded: str | None = None
    """Why no bound can be stated, with the way out where there is one; ``None`` when one can."""


WITHIN: Final = Reach()
"""A request that reaches no further than its bytes and its cap."""


class Survey:
    """Collects what reaches past a request while its parts are looked at; the first reason of each kind is kept."""

    __slots__ = ("_asks", "_fees", "_images", "_media_bytes", "_open_input", "_rounds", "_tools", "_unbounded")

    def __init__(self) -> None:
        self._open_input: str | None = None
        self._unbounded: str | None = None
        self._images = 0
        self._media_bytes = 0
        self._tools = 0
        self._rounds = 1
        self._fees: dict[int, int | None] = {}
        self._asks: dict[str, str] = {}

    def image(self, encoded: object = None) -> None:
        """An image; ``encoded`` is its base64 text or data URL where the body holds it."""
        self._images += 1
        if isinstance(encoded, str):
            self._media_bytes += len(encoded)

    def contents(self, content: object, look: "Callable[[Mapping[str, Any], Survey], None]") -> None:
        """Look at each part of a content; text, or none at all, has no parts."""
        if content is None or isinstance(content, str):
            return
        if not isinstance(content, list):
            self.opens("content of an unknown shape")
            return
        for part in content:
            look(mapping(part), self)

    def opens(self, what: str) -> None:
        """Something that may bring input from outside the body."""
        self._open_input = self._open_input or what

    def cannot_bound(self, why: str) -> None:
        """Something that nothing bounds."""
        self._unbounded = self._unbounded or why

    def adds_tool(self, tokens: int) -> None:
        """A tool that the provider describes to the model in its own words, at most so many tokens long."""
        self._tools += tokens

    def loops(self, what: str, rounds: int) -> None:
        """A tool on the provider's side feeds its results back, so that the model may run this often."""
        self.opens(what)
        self._rounds = max(self._rounds, rounds)

    def may_use(self, meter: int, most: int | None) -> None:
        """A fee may be charged up to so many times, in addition to what was noted before."""
        known = self._fees.get(meter, 0)
        self._fees[meter] = None if most is None or known is None else known + most

    def asks(self, name: str, value: str) -> None:
        """The caller asks for a condition that has its own price."""
        self._asks[name] = value

    def reach(
        self,
        *,
        added_input: int = 0,
        added_output: int = 0,
        is_cap_partial: bool = False,
        answers: int = 1,
        instead: Most = (),
    ) -> Reach:
        """What was found, with what the caller knows besides."""
        return Reach(
            added_input=added_input + self._tools,
            added_output=added_output,
            is_cap_partial=is_cap_partial,
            answers=answers,
            rounds=self._rounds,
            open_input=self._open_input,
            images=self._images,
            media_bytes=self._media_bytes,
            fees=tuple(sorted(self._fees.items())),
            instead=instead,
            asks=tuple(sorted(self._asks.items())),
            unbounded=self._unbounded,
        )
