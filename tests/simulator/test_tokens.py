"""Tokens are counted by one rule, and parts add up to the whole."""

from hypothesis import given
from hypothesis import strategies as st

from bursar.simulator.tokens import count_tokens, media_piece, text_piece, words_of


@given(st.text())
def test_count(text: str):
    """Four UTF-8 bytes are a token, the last one may be short; a piece holds as many."""
    assert count_tokens(text) == -(-len(text.encode()) // 4) == text_piece(text).tokens


@given(st.text())
def test_words(text: str):
    """Words add up to the text and to its tokens."""
    words = list(words_of(text))

    assert "".join(word for word, _ in words) == text
    assert sum(tokens for _, tokens in words) == count_tokens(text)


@given(st.binary(), st.integers(1, 2000))
def test_media(source: bytes, tokens: int):
    """A picture is as many tokens as it is said to be, and follows from its source."""
    piece = media_piece(source, "image", tokens)

    assert piece.tokens == tokens
    assert piece == media_piece(source, "image", tokens) != media_piece(source + b"!", "image", tokens)
