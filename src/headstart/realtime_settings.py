"""The settings of what carries news elsewhere: rows of the one table."""

from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from headstart.edge_settings import EdgeSettings
from headstart.plain_lines import LOOPBACK


class RealtimeSettings(EdgeSettings):
    """NATS between many nodes, and a project of Supabase to publish into."""

    nats_url: SecretStr | None = Field(
        default=None,
        alias="HEADSTART_NATS_URL",
        description="Servers of NATS, comma-separated, for wake-ups between processes. Unset:"
        " PostgreSQL's NOTIFY.",
    )
    nats_url_file: Path | None = Field(
        default=None,
        alias="HEADSTART_NATS_URL_FILE",
        description="A file that holds `HEADSTART_NATS_URL`.",
    )

    supabase_url: str | None = Field(
        default=None,
        alias="HEADSTART_SUPABASE_URL",
        description="The project that the news are published into, too. Unset: none.",
    )
    supabase_key: SecretStr | None = Field(
        default=None,
        alias="HEADSTART_SUPABASE_KEY",
        description="Its secret key, or one of the role `service_role`.",
    )
    supabase_messages_per_s: int = Field(
        default=100,
        alias="HEADSTART_SUPABASE_MESSAGES_PER_S",
        ge=4,
        le=100_000,
        description="What the project's plan allows; half of it is used.",
    )
    supabase_key_file: Path | None = Field(
        default=None,
        alias="HEADSTART_SUPABASE_KEY_FILE",
        description="A file that holds `HEADSTART_SUPABASE_KEY`.",
    )

    @property
    def nats_servers(self) -> list[str]:
        """None of them: PostgreSQL carries the wake-ups."""
        listed = self.nats_url.get_secret_value() if self.nats_url else ""
        return [one.strip() for one in listed.split(",") if one.strip()]

    @model_validator(mode="after")
    def _check_nodes(self) -> Self:
        for server in self.nats_servers:
            parts = urlsplit(server)
            if parts.scheme not in ("nats", "tls") or not parts.hostname:
                raise ValueError("HEADSTART_NATS_URL is no address: write nats://host:4222")
        if self.nats_servers and find_spec("nats") is None:
            raise ValueError(
                "HEADSTART_NATS_URL needs the package nats-py: install requirements/nats.txt"
            )
        return self

    @model_validator(mode="after")
    def _check_project(self) -> Self:
        if self.supabase_url is not None:
            if self.supabase_key is None:
                raise ValueError("HEADSTART_SUPABASE_URL needs HEADSTART_SUPABASE_KEY beside it")
            parts = urlsplit(self.supabase_url)
            is_safe = parts.scheme == "https" or parts.hostname in LOOPBACK
            if not is_safe or not parts.hostname or parts.query:
                raise ValueError(
                    "HEADSTART_SUPABASE_URL is no address: write https://project.example"
                )
        return self
