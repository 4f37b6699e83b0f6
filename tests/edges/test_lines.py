"""In production nothing goes to another machine in the open, unless somebody has said so."""

import pytest

from headstart.settings import Mode
from tests.edges.test_secrets import refusal, settings

DATABASES = ("DATABASE_URL", "HEADSTART_OWNER_URL", "HEADSTART_LISTEN_URL")
PLAIN = (
    "postgresql://headstart:hidden@db.example/headstart",
    "postgresql://db.example:6432,127.0.0.1/headstart",
    "postgresql://127.0.0.1:5432,db.example:5432/headstart",
    "postgresql://[2001:db8::1]:5432/headstart",
    "postgresql:///headstart?host=db.example",
    "postgresql://db.example/headstart?host=/var/run/postgresql",
    "postgresql://db.example/headstart?sslmode=disable",
    "postgresql://db.example/headstart?sslmode=prefer",
    "postgresql://db.example/headstart?sslmode=require",
    "postgresql://db.example/headstart?sslmode=verify-full&sslmode=disable",
    "postgresql://headstart:hidden@db.example,who@127.0.0.1/headstart",
    "postgresql://headstart:hidden@/headstart?service=elsewhere",
    "postgresql:///headstart?host=127.0.0.1&host=DB.example",
)
SAFE = (
    "postgresql://headstart:hidden@db.example/headstart?sslmode=verify-full",
    "postgresql://db.example/headstart?sslmode=verify-ca&sslrootcert=/etc/ca.pem",
    "postgresql:///headstart?host=/var/run/postgresql",
    "postgresql://%2Fvar%2Frun%2Fpostgresql/headstart",
    "postgresql://127.0.0.1:5432,localhost/headstart",
    "postgresql://[::1]/headstart",
    "postgresql://LOCALHOST:5432/headstart",
    "postgresql:///headstart?host=127.0.0.1:5432,/var/run/postgresql",
)


@pytest.mark.parametrize("address", PLAIN)
def test_a_database_elsewhere_is_verified_or_the_start_refused(address: str) -> None:
    for name in DATABASES:
        said = refusal(**{name: address})
        assert f"{name} leads to another machine" in said
        assert "sslmode=verify-full" in said
        assert "hidden" not in said
    assert settings(DATABASE_URL=address, HEADSTART_MODE=Mode.TEST).database_url == address


@pytest.mark.parametrize("address", SAFE)
def test_verified_or_on_this_machine_is_good(address: str) -> None:
    for name in DATABASES:
        settings(**{name: address})


def test_a_host_in_the_environment_counts_where_the_address_names_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    assert "leads to another machine" in refusal(DATABASE_URL="postgresql:///headstart")
    settings(DATABASE_URL="postgresql://127.0.0.1/headstart")
    settings()  # the embedded one


def test_an_operator_may_vouch_for_the_network() -> None:
    named = {"DATABASE_URL": PLAIN[0], "HEADSTART_NATS_URL": "nats://nats.example:4222"}
    assert "DATABASE_URL" in refusal(**named, HEADSTART_PLAIN_HOSTS="nats.example")
    assert "HEADSTART_NATS_URL" in refusal(**named, HEADSTART_PLAIN_HOSTS="db.example")
    vouched = settings(**named, HEADSTART_PLAIN_HOSTS="DB.example, nats.example")
    assert vouched.plain_hosts == ["DB.example", "nats.example"]


def test_no_key_of_stripes_is_sent_in_the_open() -> None:
    assert "https://" in refusal(HEADSTART_STRIPE_API_BASE="http://sandbox.example")
    for safe in ("https://sandbox.example", "http://127.0.0.1:12111"):
        settings(HEADSTART_STRIPE_API_BASE=safe)


def test_nats_elsewhere_is_spoken_to_by_tls() -> None:
    for plain in ("nats://nats.example:4222", "tls://a.example,nats://b.example:4222"):
        assert "write tls://" in refusal(HEADSTART_NATS_URL=plain)
    for safe in ("tls://nats.example:4222", "nats://127.0.0.1:4222,tls://a.example"):
        assert settings(HEADSTART_NATS_URL=safe).nats_servers == safe.split(",")
