"""What every table of `bursar.toml` is made of: the strict base struct and the value types."""

from typing import Annotated

from msgspec import Meta, Struct

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Secret = Annotated[str, Meta(description="A secret as `env:NAME` or `file:PATH`.")]
Usd = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]{1,12})?$", description="Decimal USD as text, exact.")]


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every section: unknown keys are errors."""
