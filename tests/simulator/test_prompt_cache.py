"""The prompt cache reads what it wrote, for as long as it lives, and never more than the prompt."""

from hypothesis import given
from hypothesis import strategies as st

from bursar.simulator.prompt_cache import Lookup, PromptCache
from bursar.simulator.tokens import Piece, text_piece


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.us = 0

    def now_us(self) -> int:
        return self.us

    def monotonic_us(self) -> int:
        return self.us

    def new_id(self) -> str:
        return "id"


def text(letter: str, tokens: int, ttl=None) -> Piece:
    """A piece of so many tokens."""
    return text_piece(letter * tokens * 4, ttl)


prompts = st.lists(
    st.builds(text, st.sampled_from("ab"), st.integers(1, 900), st.sampled_from([None, None, "5m", "1h"])), max_size=6
)


@given(st.lists(prompts, max_size=4))
def test_parts_never_exceed_the_prompt(requests: list[list[Piece]]):
    """Read and written tokens are parts of the prompt, under either policy."""
    cache = PromptCache(ManualClock())
    for prompt in requests:
        total = sum(piece.tokens for piece in prompt)
        for found in (cache.explicit(b"x", prompt), cache.automatic(b"y", prompt)):
            parts = (found.read, found.written_5m, found.written_1h, found.written_automatic)

            assert min(parts) >= 0
            assert sum(parts) <= total


@given(prompts)
def test_written_is_read(prompt: list[Piece]):
    """What was written is read when the same prompt comes again, and nothing is written twice."""
    cache = PromptCache(ManualClock())
    first = cache.explicit(b"x", prompt)

    assert cache.explicit(b"x", prompt) == Lookup(read=first.written_5m + first.written_1h)


@given(st.integers(0, 3000))
def test_automatic(tokens: int):
    """Automatic caching reads in steps of 128, from 1,024 tokens on, and never the whole prompt."""
    cache = PromptCache(ManualClock())
    prompt = [text("a", tokens)]
    cache.automatic(b"x", prompt)
    read = cache.automatic(b"x", prompt).read

    assert read == (0 if tokens <= 1024 else (tokens - 1) // 128 * 128)


def test_common_prefix():
    """Only the common prefix of two prompts is read."""
    cache = PromptCache(ManualClock())
    cache.automatic(b"x", [text("a", 2048), text("b", 500)])

    assert cache.automatic(b"x", [text("a", 2048), text("c", 500)]).read == 2048


def test_short_prefix_is_not_read():
    """A common prefix of fewer than 1,024 tokens is not worth a read."""
    cache = PromptCache(ManualClock())
    cache.automatic(b"x", [text("a", 896), text("b", 2000)])

    assert cache.automatic(b"x", [text("a", 896), text("c", 2000)]).read == 0


def test_scopes_are_apart():
    """Another credential or model reads nothing."""
    cache = PromptCache(ManualClock())
    prompt = [text("a", 2000, "5m")]
    cache.explicit(b"one", prompt)

    assert cache.explicit(b"two", prompt).read == 0


def test_expiry():
    """Five minutes after its last use an entry is gone; an hour's entry lives on."""
    clock = ManualClock()
    cache = PromptCache(clock)
    prompt = [text("a", 2000, "1h"), text("b", 2000, "5m")]
    cache.explicit(b"x", prompt)
    clock.us = 301 * 1_000_000

    assert cache.explicit(b"x", prompt) == Lookup(read=2000, written_5m=2000)


def test_look_back():
    """A breakpoint finds a cached prefix twenty pieces back, and no further."""
    cache = PromptCache(ManualClock())
    start = [text("a", 2000, "5m")]
    cache.explicit(b"x", start)
    near = [text("a", 2000), *(text("b", 1) for _ in range(18)), text("c", 1, "5m")]
    far = [text("a", 2000), *(text("b", 1) for _ in range(19)), text("c", 1, "5m")]

    assert [cache.explicit(b"x", prompt).read for prompt in (near, far)] == [2000, 0]
