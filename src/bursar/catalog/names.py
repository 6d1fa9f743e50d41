"""Forms of a model's name that are decided by spelling alone: dated snapshots, fine-tunes, Bedrock resource names.

A *shape* is a name with its date masked: ``claude-opus-5-20261001`` and every other day have the shape
``claude-opus-5-YYYYMMDD``. The compiler lists the shapes a source vouches for; at run time a name is masked and looked
up, so no pattern is ever matched against the list. A fine-tune's shape keeps its base model and masks whose it is.
"""

from typing import Final

DATE_TAILS: Final = ("-YYYYMMDD", "@YYYYMMDD", "-YYYY-MM-DD")
"""What a masked date looks like at the end of a name."""
PREVIEW_TAILS: Final = ("-preview-MM-DD", "-preview-MM-YYYY")
"""The same for Google's previews."""

FINE_TUNE: Final = "ft:"
"""How the names of OpenAI's fine-tuned models begin."""

_COMPACT: Final = len("-20260131")
_DASHED: Final = len("-2026-01-31")
_PREVIEW_DAY: Final = len("-preview-05-06")
_PREVIEW_MONTH: Final = len("-preview-09-2025")
_PREVIEW: Final = "-preview-"
_MONTHS: Final = 12
_DAYS: Final = 31

_BEDROCK_RESOURCES: Final = ("foundation-model", "inference-profile")
"""ARN resource types that end in a model or profile id; an application profile's id is opaque (AWS service
authorization reference for Amazon Bedrock, read 2026-11)."""

_ARN_FIELDS: Final = 6


def shape_of(name: str) -> str | None:
    """The name with its date masked, or ``None`` when it does not end in one.

    Understands ``-YYYYMMDD``, ``@YYYYMMDD``, ``-YYYY-MM-DD``, Google's ``-preview-MM-DD`` and ``-preview-MM-YYYY``,
    Bedrock's ``-YYYYMMDD-v1:0``, and OpenAI's fine-tunes ``ft:base:organisation:name:id``.
    """
    if name.startswith(FINE_TUNE):
        base, mark, _ = name[len(FINE_TUNE) :].partition(":")
        return fine_tune_shape(base) if mark else None
    shape = _masked(name)
    if shape is not None:
        return shape
    head, mark, version = name.rpartition("-v")
    if mark and version[:1].isdecimal():
        shape = _masked(head)
        return f"{shape}-v{version}" if shape is not None else None
    return None


def fine_tune_shape(base: str) -> str:
    """The shape of every fine-tune of a base model."""
    return f"{FINE_TUNE}{base}:*"


def is_dated_form(name: str, base: str) -> bool:
    """Whether ``name`` is ``base`` followed by nothing but a date."""
    return shape_of(name) in {base + tail for tail in DATE_TAILS}


def bedrock_id(name: str) -> str | None:
    """The model or profile id inside a Bedrock ARN; ``None`` for anything else."""
    fields = name.split(":", _ARN_FIELDS - 1)
    if len(fields) != _ARN_FIELDS or fields[0] != "arn" or fields[2] != "bedrock":
        return None
    kind, _, resource = fields[5].partition("/")
    return resource if kind in _BEDROCK_RESOURCES and resource else None


def _masked(name: str) -> str | None:
    tail = name[-_COMPACT:]
    if tail[0:1] in ("-", "@") and tail[1:].isdecimal() and _is_day(tail[5:7], tail[7:9]):
        return name[:-8] + "YYYYMMDD"
    tail = name[-_DASHED:]
    if tail[0:1] == "-" and tail[1:5].isdecimal() and tail[5:6] == tail[8:9] == "-" and _is_day(tail[6:8], tail[9:11]):
        return name[:-10] + "YYYY-MM-DD"
    tail = name[-_PREVIEW_DAY:]
    if tail.startswith(_PREVIEW) and tail[11:12] == "-" and _is_day(tail[9:11], tail[12:14]):
        return name[:-5] + "MM-DD"
    tail = name[-_PREVIEW_MONTH:]
    if tail.startswith(_PREVIEW) and tail[11:12] == "-" and tail[12:].isdecimal() and _is_day(tail[9:11], "01"):
        return name[:-7] + "MM-YYYY"
    return None


def _is_day(month: str, day: str) -> bool:
    if not (month.isdecimal() and day.isdecimal()):
        return False
    return 1 <= int(month) <= _MONTHS and 1 <= int(day) <= _DAYS
