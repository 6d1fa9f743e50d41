"""How questions and answers cross the ledger's socket: a length (u32, little-endian) and JSON of that length.

JSON, not msgpack: sums of money outgrow the 64-bit integers of msgpack, and JSON numbers have no such limit.
"""

import struct
from typing import Any, Final, TypeVar, cast

import msgspec
from msgspec import Struct

from bursar.errors import BursarError, LedgerUnavailable
from bursar.ledger.questions import ANSWERS, AnyQuestion, Question, QuestionError

LENGTH: Final = struct.Struct("<I")

MAX_MESSAGE_BYTES: Final = 256 * 1024 * 1024

A = TypeVar("A")


class Reply(Struct, frozen=True):
    """An answer, or the reason why there is none."""

    answer: msgspec.Raw = msgspec.Raw(b"null")
    error: str | None = None
    """``question`` for a QuestionError, ``unavailable`` for everything else."""
    message: str = ""


def encode_question(question: Question[Any]) -> bytes:
    """One question, framed."""
    return _framed(msgspec.json.encode(question))


def decode_question(data: bytes) -> AnyQuestion:
    """The question in a message; raises QuestionError when this version does not know it."""
    try:
        return cast(AnyQuestion, msgspec.json.decode(data, type=AnyQuestion))
    except msgspec.DecodeError as unknown:
        raise QuestionError(f"the ledger process does not understand the question: {unknown}") from None


def encode_answer(answer: Struct) -> bytes:
    """One answer, framed."""
    return _framed(msgspec.json.encode(Reply(answer=msgspec.Raw(msgspec.json.encode(answer)))))


def encode_failure(failure: BursarError) -> bytes:
    """A reason, framed."""
    kind = "question" if isinstance(failure, QuestionError) else "unavailable"
    return _framed(msgspec.json.encode(Reply(error=kind, message=str(failure))))


def decode_answer(question: Question[A], data: bytes) -> A:
    """The answer in a message; raises the QuestionError or LedgerUnavailable that it carries instead."""
    reply = msgspec.json.decode(data, type=Reply)
    if reply.error == "question":
        raise QuestionError(reply.message)
    if reply.error is not None:
        raise LedgerUnavailable(reply.message)
    return cast(A, msgspec.json.decode(reply.answer, type=ANSWERS[type(question)]))


def checked_length(head: bytes) -> int:
    """The length that a message's first bytes announce; raises LedgerUnavailable when it cannot be one."""
    (length,) = LENGTH.unpack(head)
    if length > MAX_MESSAGE_BYTES:
        raise LedgerUnavailable(f"a message of {length} bytes exceeds {MAX_MESSAGE_BYTES}; ask for fewer rows")
    return int(length)


def _framed(data: bytes) -> bytes:
    if len(data) > MAX_MESSAGE_BYTES:
        raise LedgerUnavailable(f"an answer of {len(data)} bytes exceeds {MAX_MESSAGE_BYTES}; ask for fewer rows")
    return LENGTH.pack(len(data)) + data
