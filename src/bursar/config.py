"""`bursar.toml`: parsed strictly, validated, frozen and hashed.

The structs below are the schema: field names are the keys, defaults are the defaults, docstrings become the reference
in `docs/configuration.md` and the published JSON Schema. Secrets are written as ``env:NAME`` or ``file:PATH`` and
resolved only by `wiring`, so a parsed `Config` never holds one.
"""

import difflib
import hashlib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct, field

from bursar.errors import ConfigError

DialectName = Literal[
    "openai",
    "anthropic",
    "gemini",
    "azure",
    "bedrock",
    "mistral",
    "deepseek",
    "xai",
    "groq",
    "openrouter",
    "together",
    "cohere",
    "vllm",
    "ollama",
]
"""Wire formats and OpenAI-compatible flavours a provider can speak."""

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Positive = Annotated[float, Meta(gt=0)]
Secret = Annotated[str, Meta(description="A secret as `env:NAME` or `file:PATH`.")]
Usd = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]{1,12})?$", description="Decimal USD as text, exact.")]


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every section: unknown keys are errors."""


class Server(Section, frozen=True):
    """Where the gateway listens and keeps its data."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 4100
    """TCP port; 0 picks a free one."""
    data_dir: str = "./bursar-data"
    """Where the spool, the segments and the index live; relative to the configuration file."""
    max_body_bytes: Annotated[int, Meta(ge=1024)] = 64 * 1024 * 1024
    """Largest request body; more is answered with 413."""
    body_timeout_s: Positive = 60.0
    """How long a request may take to arrive completely; then 408."""
    keep_alive_s: Positive = 75.0
    """How long a client connection may stay open without a request, or take to send a request's head."""
    shutdown_grace_s: Positive = 30.0
    """How long calls in flight may finish after SIGTERM before they are cut and recorded as `cut`."""


class Relay(Section, frozen=True):
    """How calls are carried to providers."""

    connect_timeout_s: Positive = 10.0
    """Time to establish a connection, TLS included."""
    first_byte_timeout_s: Positive = 600.0
    """Time from the request's last byte to the answer's first."""
    idle_timeout_s: Positive = 300.0
    """Longest silence inside an answer."""
    drain_timeout_s: Annotated[float, Meta(ge=0)] = 120.0
    """After a client hang-up, how long the answer is still read so that its usage is known; 0 cuts at once."""
    drain_max_bytes: Annotated[int, Meta(ge=0)] = 32 * 1024 * 1024
    """After a client hang-up, how many more bytes are read."""
    max_response_header_bytes: Annotated[int, Meta(ge=1024)] = 64 * 1024
    """Largest answer head accepted from a provider."""
    max_connections_per_origin: Annotated[int, Meta(ge=1)] = 2048
    """Open connections to one provider; further calls wait for one."""
    pool_idle_s: Positive = 30.0
    """How long an unused provider connection is kept."""
    proxy: str | None = None
    """Corporate HTTP proxy for provider traffic, `http://host:port`; reached with CONNECT for TLS providers."""
    ca_file: str | None = None
    """Extra certificate authorities (PEM) to trust for providers."""


class Provider(Section, frozen=True):
    """One upstream API and the credential used for it."""

    name: Name
    """Unique name; `/providers/<name>/…` reaches it."""
    dialect: DialectName
    """Wire format it speaks."""
    api_key: Secret | None = None
    """Credential sent upstream. Without one, the caller's own credential is passed on."""
    base_url: str | None = None
    """As the provider's official SDK means it (OpenAI's ends in /v1, Anthropic's and Gemini's do not)."""
    prices: str | None = None
    """Catalog provider whose price list applies; defaults to the dialect's own."""
    region: str | None = None
    """Cloud region (Bedrock, Azure); part of the price key."""
    deployment: Literal["global", "datazone", "regional"] = "global"
    """Azure deployment type; part of the price key."""
    deployments: dict[str, str] = {}
    """Azure: deployment name to model, for answers that do not name the model."""
    api_version: str | None = None
    """Azure: api-version to use when the caller sends none."""
    access_key_id: Secret | None = None
    """Bedrock: AWS access key id; without it the usual AWS credential chain is used."""
    secret_access_key: Secret | None = None
    """Bedrock: AWS secret key."""
    session_token: Secret | None = None
    """Bedrock: AWS session token."""
    headers: dict[str, str] = {}
    """Extra headers sent upstream, such as `OpenAI-Organization`."""
    simulated: bool = False
    """Answered by the built-in simulated provider."""


class Key(Section, frozen=True):
    """A virtual key handed to a caller; only its hash is kept in memory."""

    name: Name
    """Shown in reports."""
    key: Secret
    """The key itself."""
    organisation: str = ""
    """Organisation charged."""
    team: str = ""
    """Team charged."""
    project: str = ""
    """Project charged."""
    tags: dict[str, str] = {}
    """Default tags; request headers override them."""
    enabled: bool = True
    """A disabled key is answered with 401."""


class Tags(Section, frozen=True):
    """Which tags a request must carry."""

    required: tuple[str, ...] = ()
    """Tag names every request needs."""
    allowed: dict[str, tuple[str, ...]] = {}
    """Allowed values by tag name."""
    on_missing: Literal["reject", "mark"] = "mark"
    """Refuse with 400, or admit and mark the row `untagged`."""


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


class Ledger(Section, frozen=True):
    """How long facts are kept and how they are stored."""

    retention_days: Annotated[int, Meta(ge=1)] | None = None
    """Days of detailed rows kept; `None` keeps all. Whole days are dropped."""
    segment_rows: Annotated[int, Meta(ge=1)] = 10_000
    """Rows in one Parquet segment before a new one starts."""
    flush_s: Positive = 2.0
    """Longest time a settled row waits before it is loaded."""
    spool_bytes: Annotated[int, Meta(ge=65536)] = 64 * 1024 * 1024
    """Size at which a worker starts its next spool file."""
    memory_limit_mb: Annotated[int, Meta(ge=64)] = 1024
    """Memory the ledger's query engine may use."""


class Unpriced(Section, frozen=True):
    """What happens to models without a price."""

    mode: Literal["allow", "refuse"] = "allow"
    """Admit and record as `unpriced`, or refuse with 402."""


class Aliases(Section, frozen=True):
    """Other names for a model at a catalog provider."""

    provider: str
    """Catalog provider."""
    models: dict[str, str]
    """Alias to exact model id."""


class Config(Section, frozen=True):
    """The whole of `bursar.toml`."""

    server: Server = field(default_factory=Server)
    relay: Relay = field(default_factory=Relay)
    providers: tuple[Provider, ...] = ()
    keys: tuple[Key, ...] = ()
    tags: Tags = field(default_factory=Tags)
    prices: tuple[Price, ...] = ()
    aliases: tuple[Aliases, ...] = ()
    unpriced: Unpriced = field(default_factory=Unpriced)
    ledger: Ledger = field(default_factory=Ledger)


def parse_config(text: str, *, source: str) -> Config:
    """Parse TOML text; raises ConfigError naming ``source``, the key and the nearest valid spelling."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as broken:
        raise ConfigError(f"{source}: not valid TOML: {broken}") from None
    try:
        config = msgspec.convert(data, Config)
    except msgspec.ValidationError as invalid:
        raise ConfigError(f"{source}: {_explain(str(invalid))}") from None
    _check_unique(config, source)
    return config


def load_config(path: Path) -> Config:
    """Read and parse a configuration file; raises ConfigError when it is missing or invalid."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as missing:
        raise ConfigError(f"cannot read {path}: {missing.strerror}; give another file with --config") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    return parse_config(text, source=str(path))


def digest_of(config: Config) -> str:
    """A short stable hash of the configuration's content, kept with every row."""
    return hashlib.sha256(msgspec.json.encode(config, order="deterministic")).hexdigest()[:16]


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `bursar.toml`."""
    return msgspec.json.schema(Config)


_UNKNOWN: Final = re.compile(r"unknown field `([^`]+)`(?: - at `\$?(.*)`)?")
_AT: Final = re.compile(r"^(.*) - at `\$?\.?(.*)`$")


def _explain(message: str) -> str:
    unknown = _UNKNOWN.search(message)
    if unknown:
        name, where = unknown.group(1), (unknown.group(2) or "").lstrip(".")
        valid = _valid_names(where)
        near = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"valid keys are {', '.join(valid)}"
        return f"unknown key '{name}' in [{_spot(where)}]; {hint}"
    at = _AT.match(message)
    return f"{_spot(at.group(2))}: {at.group(1)}" if at else message


def _spot(where: str) -> str:
    return where or "top level"


def _valid_names(where: str) -> list[str]:
    kind: Any = Config
    for part in re.findall(r"[A-Za-z_]+", where):
        fields = {one.encode_name: one.type for one in msgspec.structs.fields(kind)}
        kind = fields.get(part, Config)
        kind = next((arg for arg in getattr(kind, "__args__", ()) if _is_section(arg)), kind)
        if not _is_section(kind):
            return []
    return [one.encode_name for one in msgspec.structs.fields(kind)]


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


def _check_unique(config: Config, source: str) -> None:
    for table, names in (
        ("providers", [one.name for one in config.providers]),
        ("keys", [one.name for one in config.keys]),
    ):
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ConfigError(f"{source}: [[{table}]] name '{min(twice)}' is used twice; names must be unique")
