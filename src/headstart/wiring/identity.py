"""Who is speaking: issuers, tokens, page sessions, and the keys that sign."""

import time
from datetime import UTC, datetime, timedelta
from secrets import token_bytes
from typing import TYPE_CHECKING, TypedDict

from headstart.app.wakeups import Wakeups
from headstart.identity.bearers import Bearers, Trusted
from headstart.identity.issuers import Issuer, issuers_of
from headstart.identity.key_sets import Documents, KeySet
from headstart.identity.keys import Ed25519Keys, key_from
from headstart.identity.oidc import Provider
from headstart.identity.seals import Box, Seals
from headstart.identity.sessions import Sessions
from headstart.identity.signing_in import Client
from headstart.identity.standing import Standing
from headstart.identity.tokens import ISSUER, Tokens, own_issuer
from headstart.settings import Mode, Settings
from headstart.store.sign_ins import SignInStore

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

DEMO_SECRET = "demo mode only: everybody on this machine may sign in as anybody"


class Speaking(TypedDict):
    """How people are known, for ``web.service``."""

    tokens: Tokens
    bearers: Bearers
    provider: Provider | None
    sessions: Sessions
    standing: Standing
    seals: Seals


def speaking(
    settings: Settings, pool: "Pool", own: "Pool", documents: Documents, wakeups: Wakeups
) -> Speaking:
    """All of it; ValueError, in one line, for settings that cannot be right."""
    known = _bearers(settings, pool, documents)
    return Speaking(
        tokens=tokens(settings),
        bearers=known,
        provider=_provider(settings, known, documents),
        sessions=Sessions(
            SignInStore(pool),
            token_bytes,
            idle=timedelta(minutes=settings.sign_in_idle_minutes),
            at_most=timedelta(hours=settings.sign_in_hours),
        ),
        standing=Standing(SignInStore(pool), SignInStore(own), wakeups, real_time),
        seals=Seals(_token_secret(settings), token_bytes),
    )


def audit_keys(settings: Settings) -> Ed25519Keys:
    """Whose checkpoints count; ValueError, in one line, for what is no key."""
    secret = settings.checkpoint_key
    own = key_from(secret.get_secret_value(), "HEADSTART_CHECKPOINT_KEY") if secret else None
    others = settings.checkpoint_public_keys
    return Ed25519Keys(own, [key_from(one, "HEADSTART_CHECKPOINT_PUBLIC_KEYS") for one in others])


def trusted_issuers(settings: Settings) -> tuple[Issuer, ...]:
    """Ourselves and the configured ones; ValueError, in one line, for what cannot be right."""
    configured = issuers_of(settings.issuers, "HEADSTART_ISSUERS")
    names = [one.issuer for one in configured]
    if ISSUER in names:
        raise ValueError(f"HEADSTART_ISSUERS: {ISSUER} is what we are called ourselves")
    if settings.oidc_issuer is not None and settings.oidc_issuer not in names:
        raise ValueError("HEADSTART_OIDC_ISSUER must stand in HEADSTART_ISSUERS, too")
    return (own_issuer(_token_secret(settings)), *configured)


def _bearers(settings: Settings, pool: "Pool", documents: Documents) -> Bearers:
    trusted = [
        Trusted(
            one, KeySet(one.jwks_url, documents.fetch, time.monotonic) if one.jwks_url else None
        )
        for one in trusted_issuers(settings)
    ]
    return Bearers(trusted, SignInStore(pool), real_time)


def _provider(settings: Settings, bearers: Bearers, documents: Documents) -> Provider | None:
    """Where people sign in on the pages; None without one."""
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    secret = settings.oidc_client_secret
    client = Client(
        id=settings.oidc_client_id,
        secret=secret.get_secret_value() if secret else None,
        scopes=settings.oidc_scopes,
        callback=f"{settings.address}/sign-in/callback",
        home=f"{settings.address}/",
    )
    return Provider(
        bearers.trusted[settings.oidc_issuer],
        client,
        bearers,
        documents,
        Box(_token_secret(settings), b"sign-in note", token_bytes),
        token_bytes,
        real_time,
        time.monotonic,
    )


def tokens(settings: Settings) -> Tokens:
    """Mints and reads bearer tokens; ValueError when there is nothing to sign them with."""
    return Tokens(_token_secret(settings), real_time)


def _token_secret(settings: Settings) -> str:
    """Outside production a fixed secret keeps people signed in over a restart."""
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else DEMO_SECRET
    if settings.mode is Mode.PRODUCTION and secret == DEMO_SECRET:
        raise ValueError("HEADSTART_JWT_SECRET must be set: without it nobody can be signed in")
    return secret


def real_time() -> datetime:
    """This machine's clock. Deadlines have another: the database's."""
    return datetime.fromtimestamp(time.time(), UTC)
