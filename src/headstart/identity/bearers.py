"""Bearer tokens, read strictly (RFC 7515, 7519, 8725): what is not exactly right is nobody's.

The issuer a token names only chooses among the configured ones; its algorithms, its keys and what
its tokens must say are ours to say, never the token's.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

import jwt

from headstart.app.ports import Credential, Login, SignIns
from headstart.core.access import Principal
from headstart.identity.issuers import Issuer, claim_at
from headstart.identity.key_sets import KeySet, NoKey

TOKEN_CHARACTERS_MAX = 8_192
SUBJECT_CHARACTERS_MAX = 255
KID_CHARACTERS_MAX = 200
LEEWAY = timedelta(seconds=10)
LAST_SECOND = 253_402_300_799  # of the year 9999

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_HEADERS_REFUSED = frozenset(
    {"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc", "epk", "cty"}
)
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
# How providers mark what is not an access token: Keycloak, Cognito, and libraries.
_KINDS: Mapping[str, frozenset[str]] = {
    "typ": frozenset({"bearer", "jwt", "at+jwt", "access"}),
    "token_use": frozenset({"access"}),
    "token_type": frozenset({"access", "access_token", "bearer"}),
}
_NOT_FOR_ACCESS = ("at_hash", "c_hash", "s_hash", "events")  # of ID tokens and log-out tokens


class BadToken(Exception):
    """Not a token we believe, or no longer one. Says nothing about why to the bearer."""


class UnknownLogin(Exception):
    """The provider vouches for this login, but nobody here has said for whom it speaks."""

    def __init__(self, login: Login) -> None:
        super().__init__(f"{login.subject} of {login.issuer} speaks for nobody here")
        self.login = login


@dataclass(frozen=True, slots=True)
class Trusted:
    """An issuer with where its keys are."""

    issuer: Issuer
    keys: KeySet | None


class Bearers:
    """Reads bearer tokens of all trusted issuers. ``now`` is real time."""

    def __init__(
        self, trusted: Sequence[Trusted], sign_ins: SignIns, now: Callable[[], datetime]
    ) -> None:
        self.trusted = {one.issuer.issuer: one for one in trusted}
        self._sign_ins = sign_ins
        self._now = now

    async def read(self, token: str) -> Credential:
        """Who bears this token; BadToken, or UnknownLogin."""
        _, claims = unverified(token)
        trusted = self.trusted.get(_text(claims, "iss"))
        if trusted is None or trusted.issuer.audience is None:
            raise BadToken
        claims = await verified(token, trusted, trusted.issuer.audience, self._now())
        _require_access_token(claims)
        return await self.credential(trusted.issuer, claims)

    async def credential(self, issuer: Issuer, claims: Mapping[str, Any]) -> Credential:
        """For whom these verified claims speak; BadToken, or UnknownLogin."""
        login = Login(issuer.issuer, _subject(claims))
        for path, value in issuer.must_have.items():
            if claim_at(claims, path) != value:
                raise BadToken
        who = _claimed(issuer, claims) if issuer.person_claim else await self._known(login)
        return Credential(
            who,
            issued_at=datetime.fromtimestamp(claims["iat"], UTC),
            until=datetime.fromtimestamp(claims["exp"], UTC) + LEEWAY,
            login=login,
        )

    async def _known(self, login: Login) -> Principal:
        known = await self._sign_ins.known_login(login)
        if known is None or known.who is None:
            raise UnknownLogin(login)
        return known.who


async def verified(token: str, trusted: Trusted, audience: str, now: datetime) -> Mapping[str, Any]:
    """The claims of a token of this issuer for this audience, if it is right; else BadToken."""
    header, claims = unverified(token)
    algorithm, issuer = header.get("alg"), trusted.issuer
    if not isinstance(algorithm, str) or algorithm not in issuer.algorithms:
        raise BadToken
    try:
        jwt.decode(
            token,
            await _key(trusted, header.get("kid"), algorithm),
            algorithms=[algorithm],
            audience=audience,
            issuer=issuer.issuer,
            options={
                "require": ["exp", "iat", "sub", "aud", "iss"],
                "enforce_minimum_key_length": True,
                "verify_exp": False,  # times are judged below, by the clock we were given
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except (jwt.PyJWTError, NoKey, ValueError, TypeError) as error:
        raise BadToken from error
    _require_its_time(claims, now)
    return claims


def unverified(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims as they stand there, which proves nothing; BadToken for odd ones."""
    if len(token) > TOKEN_CHARACTERS_MAX or not _COMPACT.fullmatch(token):
        raise BadToken
    header, claims = (_json_object(part) for part in token.split(".")[:2])
    if _HEADERS_REFUSED & header.keys():
        raise BadToken
    if "typ" in header and _text(header, "typ").lower() not in _TYPES:
        raise BadToken
    if "kid" in header and len(_text(header, "kid")) > KID_CHARACTERS_MAX:
        raise BadToken
    return header, claims


async def _key(trusted: Trusted, kid: str | None, algorithm: str) -> "jwt.PyJWK | str":
    if trusted.keys is not None:
        return await trusted.keys.key(kid, algorithm)
    assert trusted.issuer.secret is not None, "an issuer has keys or a secret"
    return trusted.issuer.secret.get_secret_value()


def _json_object(part: str) -> Mapping[str, Any]:
    try:
        found = json.loads(
            jwt.utils.base64url_decode(part),
            object_pairs_hook=_each_name_once,
            parse_constant=_no_such_number,
        )
    except (ValueError, RecursionError) as error:
        raise BadToken from error
    if not isinstance(found, dict):
        raise BadToken
    return found


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _no_such_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _require_its_time(claims: Mapping[str, Any], now: datetime) -> None:
    at, leeway = now.timestamp(), LEEWAY.total_seconds()
    begins = max(_instant(claims, "iat"), _instant(claims, "nbf") if "nbf" in claims else 0)
    if not begins - leeway <= at < _instant(claims, "exp") + leeway:
        raise BadToken


def _instant(claims: Mapping[str, Any], name: str) -> float:
    """Seconds since 1970, as a number and as nothing else."""
    value: Any = claims.get(name)
    if type(value) not in (int, float) or not 0 <= value < LAST_SECOND:
        raise BadToken
    return float(value)


def _require_access_token(claims: Mapping[str, Any]) -> None:
    if any(name in claims for name in _NOT_FOR_ACCESS):
        raise BadToken
    for name, kinds in _KINDS.items():
        if name in claims and _text(claims, name).lower() not in kinds:
            raise BadToken


def _subject(claims: Mapping[str, Any]) -> str:
    subject = _text(claims, "sub")
    if len(subject) > SUBJECT_CHARACTERS_MAX or not subject.isprintable():
        raise BadToken
    return subject


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise BadToken
    return value


def _claimed(issuer: Issuer, claims: Mapping[str, Any]) -> Principal:
    role = claim_at(claims, issuer.role_claim)
    person = claim_at(claims, issuer.person_claim or "")
    if not isinstance(role, str) or role not in issuer.roles:
        raise BadToken
    if not isinstance(person, str) or not _UUID.fullmatch(person):
        raise BadToken
    return Principal(issuer.roles[role], UUID(person))
