"""Answers that a provider compressed although it was asked not to: a copy is decoded, the bytes go through."""

import zlib
from typing import Final

from bursar.dialects.base import Reading, Tap

MAX_DECODED: Final = 256 * 1024 * 1024
"""Stop decoding past this size, so that a compressed bomb cannot fill the memory; the usage is then what was seen."""

_WINDOW_BITS: Final = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}


class DecodingTap:
    """Feeds a decoded copy to an inner tap and passes the original on."""

    def __init__(self, inner: Tap, encoding: bytes) -> None:
        self._inner = inner
        self._decoder = zlib.decompressobj(_WINDOW_BITS[encoding])
        self._decoded = 0
        self._is_broken = False

    def feed(self, data: bytes) -> bytes:
        """Decode a copy; a stream that cannot be decoded is still passed on."""
        if not self._is_broken:
            try:
                plain = self._decoder.decompress(data)
            except zlib.error:
                self._is_broken = True
            else:
                self._decoded += len(plain)
                self._is_broken = self._decoded > MAX_DECODED
                self._inner.feed(plain)
        return data

    def flush(self) -> bytes:
        """Nothing is ever held back."""
        self._inner.flush()
        return b""

    def seen(self) -> Reading:
        """The inner reading so far."""
        return self._inner.seen()

    def stop(self) -> bytes | None:
        """An encoded stream just ends: nothing can be added to it that would decode."""
        return b""

    def finish(self, *, complete: bool) -> Reading:
        """The inner reading; incomplete when the encoding was broken."""
        return self._inner.finish(complete=complete and not self._is_broken)


def decoded(tap: Tap, encoding: bytes | None) -> Tap:
    """Wrap a tap so that it reads the decoded copy of an encoded answer.

    An encoding that cannot be read here (br, zstd) leaves the tap as it is: it will find no usage and say so.
    """
    if encoding is None:
        return tap
    name = encoding.strip().lower()
    return DecodingTap(tap, name) if name in _WINDOW_BITS else tap
