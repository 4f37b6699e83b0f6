"""The settings of the edges, and secrets that come from files: the first rows of the one table."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode

from headstart.secrecy import secret_in

SECRETS = (
    *("DATABASE_URL", "HEADSTART_OWNER_URL", "HEADSTART_LISTEN_URL", "HEADSTART_JWT_SECRET"),
    *("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "HEADSTART_CHECKPOINT_KEY"),
    *(
        "HEADSTART_ISSUERS",
        "HEADSTART_OIDC_CLIENT_SECRET",
        "HEADSTART_SUPABASE_KEY",
        "HEADSTART_NATS_URL",
    ),
)
"""Each may come from a file instead, named by the variable with ``_FILE`` behind it."""

_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[1-9]\d{0,4})?")
_LISTS = (
    *("HEADSTART_TRUSTED_HOSTS", "HEADSTART_TRUSTED_PROXIES", "HEADSTART_ALLOWED_ORIGINS"),
    *("HEADSTART_PLAIN_HOSTS", "STRIPE_WEBHOOK_SECRET"),
)


class EdgeSettings(BaseSettings):
    """Whose requests are taken, how often, and where secrets are read."""

    trusted_hosts: Annotated[list[str], NoDecode] = Field(
        default=[],
        alias="HEADSTART_TRUSTED_HOSTS",
        description="More names that lead here, comma-separated; the public address's is known.",
    )
    trusted_proxies: Annotated[list[str], NoDecode] = Field(
        default=[],
        alias="HEADSTART_TRUSTED_PROXIES",
        description="Networks, comma-separated, whose `X-Forwarded-For` is believed.",
    )
    allowed_origins: Annotated[list[str], NoDecode] = Field(
        default=[],
        alias="HEADSTART_ALLOWED_ORIGINS",
        description="Sites, comma-separated, whose pages may use the API with a bearer token.",
    )
    plain_hosts: Annotated[list[str], NoDecode] = Field(
        default=[],
        alias="HEADSTART_PLAIN_HOSTS",
        description="Hosts of the database or of NATS, comma-separated, that production may reach"
        " without verified TLS: the network up to them is yours alone.",
    )
    rate_accepts_per_minute: int = Field(
        default=600,
        alias="HEADSTART_RATE_ACCEPTS_PER_MINUTE",
        ge=60,
        description="Accepts of one mechanic that lead nowhere; those that succeed are free.",
    )
    rate_bookings_per_minute: int = Field(
        default=60,
        alias="HEADSTART_RATE_BOOKINGS_PER_MINUTE",
        ge=1,
        description="Intakes of one customer.",
    )
    rate_person_per_minute: int = Field(
        default=1200,
        alias="HEADSTART_RATE_PERSON_PER_MINUTE",
        ge=60,
        description="Everything else one person asks.",
    )
    rate_address_per_minute: int = Field(
        default=1200,
        alias="HEADSTART_RATE_ADDRESS_PER_MINUTE",
        ge=60,
        description="What one address asks without being signed in, or with a bad token.",
    )
    database_url_file: Path | None = Field(
        default=None,
        alias="DATABASE_URL_FILE",
        description="A file that holds `DATABASE_URL`. Likewise for every other secret:",
    )
    owner_url_file: Path | None = Field(
        default=None,
        alias="HEADSTART_OWNER_URL_FILE",
        description="A file that holds `HEADSTART_OWNER_URL`.",
    )
    listen_url_file: Path | None = Field(
        default=None,
        alias="HEADSTART_LISTEN_URL_FILE",
        description="A file that holds `HEADSTART_LISTEN_URL`.",
    )
    jwt_secret_file: Path | None = Field(
        default=None,
        alias="HEADSTART_JWT_SECRET_FILE",
        description="A file that holds `HEADSTART_JWT_SECRET`.",
    )
    stripe_secret_key_file: Path | None = Field(
        default=None,
        alias="STRIPE_SECRET_KEY_FILE",
        description="A file that holds `STRIPE_SECRET_KEY`.",
    )
    stripe_webhook_secret_file: Path | None = Field(
        default=None,
        alias="STRIPE_WEBHOOK_SECRET_FILE",
        description="A file that holds `STRIPE_WEBHOOK_SECRET`.",
    )
    checkpoint_key_file: Path | None = Field(
        default=None,
        alias="HEADSTART_CHECKPOINT_KEY_FILE",
        description="A file that holds `HEADSTART_CHECKPOINT_KEY`.",
    )

    issuers_file: Path | None = Field(
        default=None,
        alias="HEADSTART_ISSUERS_FILE",
        description="A file that holds `HEADSTART_ISSUERS`.",
    )
    oidc_client_secret_file: Path | None = Field(
        default=None,
        alias="HEADSTART_OIDC_CLIENT_SECRET_FILE",
        description="A file that holds `HEADSTART_OIDC_CLIENT_SECRET`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_secrets(cls, values: dict[str, object]) -> dict[str, object]:
        """What stands in files, and more than one where a comma says so."""
        for name in SECRETS:
            if path := values.get(f"{name}_FILE"):
                if values.get(name):
                    raise ValueError(f"set {name} or {name}_FILE, not both")
                values[name] = secret_in(Path(str(path)), f"{name}_FILE")
        for name in _LISTS:
            given = values.get(name)
            if isinstance(given, str):
                values[name] = [one.strip() for one in given.split(",") if one.strip()]
        return values

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, origins: list[str]) -> list[str]:
        for one in origins:
            if not _ORIGIN.fullmatch(one):
                raise ValueError(f"{one!r} is no origin: write https://app.example, and no more")
        return origins

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, networks: list[str]) -> list[str]:
        for one in networks:
            ip_network(one)
        return networks
