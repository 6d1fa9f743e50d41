"""The tables that say who calls: virtual keys and what they may do."""

from bursar.config.section import Name, Secret, Section


class KeyGrant(Section, frozen=True):
    """What a virtual key stands for: who pays, and what its holder may do. Everything but its secret."""

    name: Name
    """Shown in reports and refusals; unique, and never given to another key."""
    organisation: str = ""
    """Organisation charged."""
    team: str = ""
    """Team charged."""
    project: str = ""
    """Project charged."""
    tags: dict[str, str] = {}
    """Default tags; request headers override them."""
    models: tuple[str, ...] = ()
    """Models it may ask for, by name; `*` stands for any run of characters. Empty allows every model."""
    routes: tuple[str, ...] = ()
    """What it may call, by dialect (`openai`) or operation (`chat.completions`, `embeddings`); `*` as above. Empty
    allows every metered route."""
    allow_tags: dict[str, tuple[str, ...]] = {}
    """Values that a tag, team, project or organisation may have on its calls; `*` as above. A request with another
    value is refused; one without any is not."""
    networks: tuple[str, ...] = ()
    """Networks (CIDR) and addresses it may be used from, IPv4 or IPv6. Empty allows every network."""
    expires_at: str | None = None
    """Instant from which it is refused, ISO 8601; UTC without a zone."""
    enabled: bool = True
    """A disabled key is answered with 401."""


class Key(KeyGrant, frozen=True, kw_only=True):
    """A virtual key handed to a caller; only its hash is kept in memory."""

    key: Secret
    """The key itself."""
    previous_key: Secret | None = None
    """The key it replaces, which stays valid until `previous_until`."""
    previous_until: str | None = None
    """End of the overlap with `previous_key`, ISO 8601; required with it."""
