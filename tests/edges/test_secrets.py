"""Secrets come from the environment or from files, and what can be guessed starts nothing."""

import secrets
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from headstart.edge_settings import SECRETS
from headstart.payments.sandbox import SANDBOX_SECRET_KEY, SANDBOX_WEBHOOK_SECRET
from headstart.secrecy import is_weak
from headstart.settings import Mode, Settings
from headstart.wiring import payment_configuration, tokens

STRONG = "kS0v9bq2Lx8TzR4mWc7YpE1uHn6DfGaJ3"
WEAK = (
    *("x" * 64, "ab" * 32, "0123456789" * 5, "password" * 5, "changeme" + STRONG, "a" * 31 + "b"),
    "demo mode only: everybody on this machine may sign in as anybody",
    *("this-is-an-example-secret-do-not-use-it", "secret-secret-secret-secret-secret", "1" * 40),
    "qwertyuiopqwertyuiopqwertyuiopqwertyuiop",
    "your-super-secret-jwt-token-with-at-least-32-characters-long",
)


def settings(**environment: Any) -> Settings:
    return Settings(_env_file=None, **environment)


def refusal(**environment: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        settings(**environment)
    [error] = refused.value.errors()
    return str(error["msg"])


@pytest.mark.parametrize("weak", WEAK)
def test_production_does_not_start_with_a_secret_that_can_be_guessed(weak: str) -> None:
    issuer = {"issuer": "https://project.example/auth/v1", "secret": weak}
    for name, given in (
        ("HEADSTART_JWT_SECRET", weak),
        ("HEADSTART_CHECKPOINT_KEY", weak),
        ("HEADSTART_ISSUERS", [issuer]),
    ):
        said = refusal(**{name: given})
        assert name in said
        assert weak not in said
        if name != "HEADSTART_JWT_SECRET":
            settings(**{name: given}, HEADSTART_MODE=Mode.DEMO)


def test_made_secrets_are_strong() -> None:
    for _ in range(2000):
        for made in (secrets.token_hex(16), secrets.token_urlsafe(24), secrets.token_urlsafe(48)):
            assert not is_weak(made), made


def test_production_does_not_start_without_a_secret_and_a_demo_does() -> None:
    with pytest.raises(ValueError, match="HEADSTART_JWT_SECRET must be set"):
        tokens(settings())
    assert "demo mode only" in tokens(settings(HEADSTART_MODE=Mode.DEMO)).secret


def test_production_does_not_start_with_the_sandboxs_secret() -> None:
    sandbox = {
        "HEADSTART_JWT_SECRET": STRONG,
        "STRIPE_SECRET_KEY": SANDBOX_SECRET_KEY,
        "STRIPE_WEBHOOK_SECRET": SANDBOX_WEBHOOK_SECRET,
        "HEADSTART_STRIPE_API_BASE": "http://127.0.0.1:12111",
    }
    with pytest.raises(ValueError, match="everybody knows"):
        payment_configuration(settings(**sandbox))
    assert payment_configuration(settings(**sandbox, HEADSTART_MODE=Mode.TEST))


VALUES = {
    "DATABASE_URL": "postgresql://headstart:hidden@db.example/headstart?sslmode=verify-full",
    "HEADSTART_OWNER_URL": "postgresql://owner:hidden@db.example/headstart?sslmode=verify-full",
    "HEADSTART_LISTEN_URL": "postgresql://headstart:hidden@direct.example/h?sslmode=verify-full",
    "HEADSTART_JWT_SECRET": STRONG,
    "STRIPE_SECRET_KEY": "sk_test_from_a_file",
    "STRIPE_WEBHOOK_SECRET": "whsec_one,whsec_two",
    "HEADSTART_ISSUERS": "[]",
    "HEADSTART_OIDC_CLIENT_SECRET": "shown-to-the-provider-only",
    "HEADSTART_NATS_URL": "tls://headstart:hidden@nats.example:4222",
    "HEADSTART_SUPABASE_KEY": "sb_secret_from_a_file",
    "HEADSTART_CHECKPOINT_KEY": "NrDO7Bl1VtD8Q0pYxYJHa2fK9wTzLm4cEsG6uXvRb3A=",
}


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_may_come_from_a_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{VALUES[name]}\n")
    fields = {str(field.alias): name for name, field in Settings.model_fields.items()}
    read = getattr(settings(**{f"{name}_FILE": str(file)}), fields[name])
    given = getattr(settings(**{name: VALUES[name]}), fields[name])
    assert read == given
    assert "both" in refusal(**{name: VALUES[name], f"{name}_FILE": str(file)})
    file.write_text(" \n")
    assert "empty" in refusal(**{f"{name}_FILE": str(file)})
    file.unlink()
    said = refusal(**{f"{name}_FILE": str(file)})
    assert f"{name}_FILE names a file that cannot be read" in said


def test_every_secret_is_known_to_be_one() -> None:
    kinds = {str(field.alias): str(field.annotation) for field in Settings.model_fields.values()}
    assert {name for name, kind in kinds.items() if "SecretStr" in kind} <= set(SECRETS)
    assert {f"{name}_FILE" for name in SECRETS} <= kinds.keys()


def test_a_secret_is_not_printed() -> None:
    made = settings(**VALUES)
    for shown in (repr(made), str(made), made.model_dump_json()):
        assert STRONG not in shown
        assert "whsec_one" not in shown
        assert "sk_test_from_a_file" not in shown


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"HEADSTART_PUBLIC_URL": "http://app.example"}, "https://"),
        ({"HEADSTART_HOST": "0.0.0.0"}, "HEADSTART_PUBLIC_URL must be set"),
        ({"HEADSTART_TRUSTED_HOSTS": "app.example"}, "HEADSTART_PUBLIC_URL must be set"),
        ({"HEADSTART_PUBLIC_URL": "app.example"}, "no address"),
        ({"HEADSTART_PUBLIC_URL": "ftp://app.example"}, "no address"),
        ({"HEADSTART_ALLOWED_ORIGINS": "*"}, "no origin"),
        ({"HEADSTART_ALLOWED_ORIGINS": "null"}, "no origin"),
        ({"HEADSTART_ALLOWED_ORIGINS": "https://*.app.example"}, "no origin"),
        ({"HEADSTART_ALLOWED_ORIGINS": "https://app.example/"}, "no origin"),
        ({"HEADSTART_ALLOWED_ORIGINS": "https://a.example, evil.example"}, "no origin"),
        ({"HEADSTART_TRUSTED_PROXIES": "everybody"}, "IPv4 or IPv6"),
        ({"HEADSTART_TRUSTED_PROXIES": "10.0.0.1/8"}, "host bits"),
        ({"HEADSTART_RATE_ACCEPTS_PER_MINUTE": "59"}, "greater than or equal to 60"),
    ],
)
def test_an_edge_that_is_configured_wrongly_stops_the_start(
    environment: dict[str, str], says: str
) -> None:
    assert says in refusal(HEADSTART_JWT_SECRET=STRONG, **environment)
