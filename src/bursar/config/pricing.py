"""The tables that add to the price catalog."""

from typing import Annotated, Literal

from msgspec import Meta

from bursar.config.section import Section, Usd


class Price(Section, frozen=True):
    """A dated override: a negotiated discount, a self-hosted model's price, or an explicit zero."""

    provider: str
    """Catalog provider or configured provider name."""
    model: str
    """Exact model id, or `*` for every model of the provider."""
    credential: str | None = None
    """Only for calls through this configured provider name."""
    valid_from: str | None = None
    """First day or instant, ISO 8601, UTC."""
    valid_to: str | None = None
    """First day or instant after, ISO 8601, UTC."""
    conditions: dict[str, str] = {}
    """Only where these hold, such as `{service_tier = "priority"}` or `{deployment = "regional"}`. Without any, a
    discount covers every list price of the model, `usd` its ordinary price, `gpu_hour_usd` and `free` every call."""
    discount_percent: Annotated[str, Meta(pattern=r"^[0-9]{1,2}(\.[0-9]+)?$|^100$")] | None = None
    """Percentage off list price."""
    usd: dict[str, Usd] = {}
    """Price by meter: USD per million tokens or characters, per hour of audio, video or GPU, and per single search,
    image, page or request; see `docs/pricing.md`."""
    gpu_hour_usd: Usd | None = None
    """Self-hosted: USD per GPU-hour of request wall time, times `gpus`."""
    gpus: Annotated[int, Meta(ge=1)] = 1
    """GPUs the model occupies while it serves one request slot."""
    concurrency: Annotated[int, Meta(ge=1)] = 1
    """Requests those GPUs serve side by side; each bears its share."""
    free: bool = False
    """An explicit price of zero."""


class Aliases(Section, frozen=True):
    """Other names for a model at a catalog provider."""

    provider: str
    """Catalog provider."""
    models: dict[str, str]
    """Alias to exact model id."""


class Unpriced(Section, frozen=True):
    """What happens to models without a price."""

    mode: Literal["allow", "refuse"] = "allow"
    """Admit and record as `unpriced`, or refuse with 402."""
