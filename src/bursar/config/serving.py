"""The tables of the data plane: where it listens, whom it asks, how it carries calls and keeps facts."""

from typing import Annotated, Literal

from msgspec import Meta

from bursar.config.section import Name, Positive, Secret, Section

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


class Server(Section, frozen=True):
    """Where the gateway listens and keeps its data."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 4100
    """TCP port; 0 picks a free one."""
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    """Gateway processes that share the port; about one for each core. Changes take effect at the next start."""
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
    key_grace_s: Annotated[float, Meta(ge=0)] = 300.0
    """How long virtual keys that were seen before stay valid while the control state cannot be read; then 503."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks (CIDR) of proxies in front of the gateway. From them, the caller's address is the last one in
    `x-forwarded-for` that is none of theirs."""


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
