"""One settings table: every variable, its default, and the check that stops a start."""

import json
import os
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from headstart.core.policy import OfflinePolicy, Policy, require_room_to_broadcast
from headstart.plain_lines import LOOPBACK, plain_databases, plain_nats
from headstart.realtime_settings import RealtimeSettings
from headstart.secrecy import is_weak

JWT_SECRET_CHARACTERS_MIN = 32
SECRET_VARIETY_MIN = 10  # different characters; 32 at random have more


_LISTS = (
    *("STRIPE_WEBHOOK_SECRET", "stripe_webhook_secret"),
    *("HEADSTART_CHECKPOINT_PUBLIC_KEYS", "checkpoint_public_keys"),
)


class Mode(StrEnum):
    """Demo and test mode have sign-in by persona and the test clock, on loopback only."""

    PRODUCTION = "production"
    DEMO = "demo"
    TEST = "test"


def _json_list(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("this is no JSON list") from None


class Settings(RealtimeSettings):
    """Read from the environment and ``.env``; times are in the unit their name ends in."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    database_url: str | None = Field(
        default=None,
        alias="DATABASE_URL",
        description="Any PostgreSQL ≥ 15. Unset: PostgreSQL is embedded.",
    )
    owner_url: str | None = Field(
        default=None,
        alias="HEADSTART_OWNER_URL",
        description="The account that owns the tables, for migrations. Unset: DATABASE_URL's.",
    )
    listen_url: str | None = Field(
        default=None,
        alias="HEADSTART_LISTEN_URL",
        description="A direct address for LISTEN when DATABASE_URL is a transaction pooler.",
    )
    database_connections: int = Field(
        default=10,
        alias="HEADSTART_DATABASE_CONNECTIONS",
        ge=2,
        le=200,
        description="The largest number of database connections of one process.",
    )
    prepared_statements: bool = Field(
        default=True,
        alias="HEADSTART_PREPARED_STATEMENTS",
        description="Off for a pooler: it keeps neither these nor settings of a connection.",
    )
    data_directory: Path | None = Field(
        default=None,
        alias="HEADSTART_DATA_DIRECTORY",
        description="Where embedded PostgreSQL keeps its data.",
    )
    enable_favorites_priority: bool = Field(
        default=False,
        alias="ENABLE_FAVORITES_PRIORITY",
        description="The flag's first value; from then on the database decides.",
    )
    priority_window_minutes: float = Field(
        default=10,
        alias="PRIORITY_WINDOW_MINUTES",
        gt=0,
        le=24 * 60,
        description="How long a favourite is asked alone. Plans may override it.",
    )
    offline_policy: OfflinePolicy = Field(
        default=OfflinePolicy.WAIT,
        alias="HEADSTART_OFFLINE_POLICY",
        description="What to do for a favourite who is offline: wait, shorten or skip.",
    )
    offline_window_minutes: float = Field(
        default=2,
        alias="HEADSTART_OFFLINE_WINDOW_MINUTES",
        gt=0,
        le=24 * 60,
        description="The shorter window of the policy `shorten`.",
    )
    overall_limit_minutes: float = Field(
        default=30,
        alias="HEADSTART_OVERALL_LIMIT_MINUTES",
        gt=0,
        le=7 * 24 * 60,
        description="From payment to the moment a request ends unfilled.",
    )
    broadcast_minimum_minutes: float = Field(
        default=5,
        alias="HEADSTART_BROADCAST_MINIMUM_MINUTES",
        gt=0,
        le=7 * 24 * 60,
        description="How long everybody is asked at the least.",
    )
    extension_minutes: float = Field(
        default=5,
        alias="HEADSTART_EXTENSION_MINUTES",
        gt=0,
        le=24 * 60,
        description="How much longer a favourite may be asked, twice, where somebody wants that.",
    )
    join_limit_minutes: float | None = Field(
        default=None,
        alias="HEADSTART_JOIN_LIMIT_MINUTES",
        gt=0,
        le=7 * 24 * 60,
        description="A matched mechanic who has not joined by then loses the job. Unset: never.",
    )
    presence_lease_s: float = Field(
        default=60,
        alias="HEADSTART_PRESENCE_LEASE_S",
        ge=5,
        le=7 * 24 * 3600,
        description="How long a heartbeat proves that a mechanic is online.",
    )
    missed_windows_max: int = Field(
        default=3,
        alias="HEADSTART_MISSED_WINDOWS_MAX",
        ge=0,
        le=50,
        description="After so many missed priority windows in a row a mechanic is set off duty."
        " 0: never.",
    )
    stripe_secret_key: SecretStr | None = Field(
        default=None, alias="STRIPE_SECRET_KEY", description="Stripe's secret or restricted key."
    )
    stripe_webhook_secret: Annotated[list[SecretStr], NoDecode] = Field(
        default=[],
        alias="STRIPE_WEBHOOK_SECRET",
        description="The endpoint's signing secret; two, comma-separated, while it is rolled.",
    )
    stripe_api_base: str | None = Field(
        default=None,
        alias="HEADSTART_STRIPE_API_BASE",
        description="The sandbox's address. Unset: Stripe itself.",
    )
    checkout_minutes: float = Field(
        default=60,
        alias="HEADSTART_CHECKOUT_MINUTES",
        ge=35,
        le=24 * 60,
        description="How long a payment page stays open. Stripe allows 30 minutes to a day.",
    )
    host: str = Field(default="127.0.0.1", alias="HEADSTART_HOST", description="Listen here.")
    port: int = Field(default=8000, alias="HEADSTART_PORT", ge=0, le=65535, description="And here.")
    metrics_port: int | None = Field(
        default=None,
        alias="HEADSTART_METRICS_PORT",
        ge=1,
        le=65535,
        description="Where a worker shows `/metrics`. Web servers show them on their own port.",
    )
    public_url: str | None = Field(
        default=None,
        alias="HEADSTART_PUBLIC_URL",
        description="The address people use, when a proxy stands in front.",
    )
    jwt_secret: SecretStr | None = Field(
        default=None,
        alias="HEADSTART_JWT_SECRET",
        description="Signs our own bearer tokens, seals cursors; 32 characters or more.",
    )
    issuers: Annotated[list[dict[str, Any]], NoDecode, BeforeValidator(_json_list)] = Field(
        default=[],
        alias="HEADSTART_ISSUERS",
        description="Identity providers whose tokens are trusted, as a JSON list.",
    )
    oidc_issuer: str | None = Field(
        default=None,
        alias="HEADSTART_OIDC_ISSUER",
        description="Which of them people sign in at on the pages, by OpenID Connect.",
    )
    oidc_client_id: str | None = Field(
        default=None,
        alias="HEADSTART_OIDC_CLIENT_ID",
        description="What we are called there.",
    )
    oidc_client_secret: SecretStr | None = Field(
        default=None,
        alias="HEADSTART_OIDC_CLIENT_SECRET",
        description="And what proves it. Unset: a public client.",
    )
    oidc_scopes: str = Field(
        default="openid",
        alias="HEADSTART_OIDC_SCOPES",
        description="What is asked for there; `openid` must be among it.",
    )
    sign_in_hours: float = Field(
        default=12,
        alias="HEADSTART_SIGN_IN_HOURS",
        gt=0,
        le=30 * 24,
        description="How long a page session lasts at the most.",
    )
    sign_in_idle_minutes: float = Field(
        default=120,
        alias="HEADSTART_SIGN_IN_IDLE_MINUTES",
        ge=5,
        le=30 * 24 * 60,
        description="A page session that is not used for so long ends before that.",
    )
    checkpoint_key: SecretStr | None = Field(
        default=None,
        alias="HEADSTART_CHECKPOINT_KEY",
        description="Signs the audit trail's checkpoints: 32 bytes in base64. Unset: none.",
    )
    checkpoint_public_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        alias="HEADSTART_CHECKPOINT_PUBLIC_KEYS",
        description="Public keys whose checkpoints count too, parted by commas.",
    )
    checkpoint_file: Path | None = Field(
        default=None,
        alias="HEADSTART_CHECKPOINT_FILE",
        description="Checkpoints are added to this file as well as to the log.",
    )
    mode: Mode = Field(
        default=Mode.PRODUCTION,
        alias="HEADSTART_MODE",
        description="production, demo or test.",
    )

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: dict[str, object]) -> dict[str, object]:
        for name in _LISTS:
            listed = values.get(name)
            if isinstance(listed, str):
                values[name] = [one.strip() for one in listed.split(",") if one.strip()]
        return values

    @model_validator(mode="after")
    def _check(self) -> Self:
        require_room_to_broadcast(self.policy(priority_enabled=True), self.priority_window)
        if self.jwt_secret and len(self.jwt_secret.get_secret_value()) < JWT_SECRET_CHARACTERS_MIN:
            raise ValueError(
                f"HEADSTART_JWT_SECRET needs {JWT_SECRET_CHARACTERS_MIN} characters or more"
            )
        if self.jwt_secret and len(set(self.jwt_secret.get_secret_value())) < SECRET_VARIETY_MIN:
            raise ValueError("HEADSTART_JWT_SECRET is too simple: make it at random")
        self._check_sign_in()
        if self.mode is Mode.PRODUCTION:
            self._check_production()
        elif self.host not in LOOPBACK:
            raise ValueError(f"{self.mode} mode listens on loopback only, not on {self.host}")
        return self

    def _check_production(self) -> None:
        self._check_secrets()
        self._check_lines()
        if self.public_url is None:
            if self.host not in LOOPBACK or self.trusted_hosts:
                raise ValueError(
                    "HEADSTART_PUBLIC_URL must be set in production for others than this machine"
                )
            return
        address = urlsplit(self.public_url)
        if address.scheme not in ("http", "https") or not address.hostname or address.query:
            raise ValueError("HEADSTART_PUBLIC_URL is no address: write https://app.example")
        if address.scheme == "http" and address.hostname not in LOOPBACK:
            raise ValueError("HEADSTART_PUBLIC_URL must begin with https:// in production")

    def _check_secrets(self) -> None:
        for name, secret, size in (
            ("HEADSTART_JWT_SECRET", self.jwt_secret, 48),
            ("HEADSTART_CHECKPOINT_KEY", self.checkpoint_key, 32),
        ):
            if secret and is_weak(secret.get_secret_value()):
                raise ValueError(
                    f"{name} can be guessed: make one with `openssl rand -base64 {size}`"
                )
        if any(is_weak(str(one["secret"])) for one in self.issuers if one.get("secret")):
            raise ValueError("HEADSTART_ISSUERS: a secret can be guessed: make it at random")

    def _check_lines(self) -> None:
        """Others read what is not encrypted, and answer in the place of who is not verified."""
        vouched = {one.lower() for one in self.plain_hosts}
        databases = {
            "DATABASE_URL": self.database_url,
            "HEADSTART_OWNER_URL": self.owner_url,
            "HEADSTART_LISTEN_URL": self.listen_url,
        }
        for name, address in databases.items():
            plain = plain_databases(address, os.environ) if address else ()
            if set(plain) - vouched:
                raise ValueError(
                    f"{name} leads to another machine: add sslmode=verify-full and sslrootcert=…,"
                    " or name the host in HEADSTART_PLAIN_HOSTS if the network is yours alone"
                )
        if any(set(plain_nats(one)) - vouched for one in self.nats_servers):
            raise ValueError(
                "HEADSTART_NATS_URL leads to another machine: write tls://host:4222, or name the"
                " host in HEADSTART_PLAIN_HOSTS if the network is yours alone"
            )
        payments = urlsplit((self.stripe_api_base or "").strip())
        if payments.scheme == "http" and payments.hostname not in LOOPBACK:
            raise ValueError("HEADSTART_STRIPE_API_BASE must begin with https:// in production")

    def _check_sign_in(self) -> None:
        if self.oidc_issuer is None:
            if self.oidc_client_id is not None:
                raise ValueError("HEADSTART_OIDC_CLIENT_ID needs HEADSTART_OIDC_ISSUER beside it")
            return
        if self.oidc_client_id is None:
            raise ValueError("HEADSTART_OIDC_ISSUER needs HEADSTART_OIDC_CLIENT_ID beside it")
        if "openid" not in self.oidc_scopes.split():
            raise ValueError("HEADSTART_OIDC_SCOPES must have openid among them")
        host = urlsplit(self.address).hostname
        if not self.is_https and host not in LOOPBACK:
            raise ValueError("HEADSTART_PUBLIC_URL must be https where people sign in")

    @property
    def priority_window(self) -> timedelta:
        """The window of plans that have none of their own."""
        return timedelta(minutes=self.priority_window_minutes)

    @property
    def address(self) -> str:
        """The address people use."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def is_https(self) -> bool:
        """Whether people come over https; cookies are then sent over nothing else."""
        return self.address.startswith("https://")

    def policy(self, *, priority_enabled: bool) -> Policy:
        """The policy a request created now takes with it."""
        join_limit = self.join_limit_minutes
        return Policy(
            priority_enabled=priority_enabled,
            offline=self.offline_policy,
            offline_window=timedelta(minutes=self.offline_window_minutes),
            overall_limit=timedelta(minutes=self.overall_limit_minutes),
            broadcast_minimum=timedelta(minutes=self.broadcast_minimum_minutes),
            join_limit=None if join_limit is None else timedelta(minutes=join_limit),
            extension=timedelta(minutes=self.extension_minutes),
        )
