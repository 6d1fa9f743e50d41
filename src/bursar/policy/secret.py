"""The form of virtual keys, and the form in which they are kept.

A key that Bursar makes is ``bsk-``, 32 random bytes and a CRC-32 of all that, in URL-safe base64: `PATTERN`. The prefix
lets secret scanners find leaked keys, the checksum lets them (and the gateway, before it asks a database) tell a key
from something that only looks like one.

Only the SHA-256 of a key is kept. A slow or salted hash protects secrets that people choose, which can be guessed; of
256 random bits nothing can be guessed, and a fast hash is what makes one look-up by index possible.
"""

import hashlib
from base64 import urlsafe_b64encode
from binascii import crc32
from typing import Final

PREFIX: Final = b"bsk-"

ENTROPY_BYTES: Final = 32

PATTERN: Final = r"bsk-[A-Za-z0-9_-]{49}"
"""For secret scanners."""

LENGTH: Final = 53

_CHECK_CHARS: Final = 6


def make_key(entropy: bytes) -> str:
    """A virtual key of `ENTROPY_BYTES` random bytes."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"a key is made of {ENTROPY_BYTES} random bytes, not of {len(entropy)}")
    body = PREFIX + urlsafe_b64encode(entropy).rstrip(b"=")
    return (body + _check(body)).decode("ascii")


def is_issued_form(presented: bytes) -> bool:
    """Whether a presented key can be one that `make_key` made; of anything else no database need be asked."""
    return (
        len(presented) == LENGTH
        and presented.startswith(PREFIX)
        and presented[-_CHECK_CHARS:] == _check(presented[:-_CHECK_CHARS])
    )


def hash_key(key: bytes) -> bytes:
    """The form in which a virtual key is kept: its SHA-256 digest, 32 bytes."""
    return hashlib.sha256(key).digest()


def _check(body: bytes) -> bytes:
    return urlsafe_b64encode(crc32(body).to_bytes(4, "big")).rstrip(b"=")
