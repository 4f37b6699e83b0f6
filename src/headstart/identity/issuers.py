"""The identity providers that are trusted, and what their tokens must look like to be believed."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from headstart.core.access import Role
from headstart.plain_lines import LOOPBACK

SharedAlgorithm = Literal["HS256", "HS384", "HS512"]
PublicAlgorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
SECRET_BYTES_MIN: Mapping[str, int] = {"HS256": 32, "HS384": 48, "HS512": 64}  # RFC 7518, 3.2
SECRET_CHARACTERS_DIFFERENT_MIN = 10
_THEIR_OWN_TO_EDIT = frozenset({"user_metadata", "raw_user_meta_data", "unsafe_metadata"})


class Issuer(BaseModel):
    """One identity provider: its name, its keys, and how its claims say who somebody is.

    Without ``person_claim`` the table of logins says so. Without ``audience`` no bearer token of
    it is taken: it only signs people in on the pages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = Field(min_length=1, max_length=500)
    audience: str | None = Field(default=None, min_length=1, max_length=500)
    algorithms: tuple[SharedAlgorithm | PublicAlgorithm, ...] = Field(min_length=1)
    jwks_url: str | None = None
    secret: SecretStr | None = None
    must_have: Mapping[str, str] = Field(default={})
    role_claim: str = Field(default="role", min_length=1)
    roles: Mapping[str, Role] = Field(default={role.value: role for role in Role})
    person_claim: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.jwks_url is None) == (self.secret is None):
            raise ValueError("give either jwks_url or secret")
        shared = {one.startswith("HS") for one in self.algorithms}
        if shared != {self.secret is not None}:
            raise ValueError("HS algorithms go with a secret, all others with jwks_url")
        if self.jwks_url is not None:
            require_safe_url(self.jwks_url, "jwks_url")
        if self.secret is not None:
            shortest = max(SECRET_BYTES_MIN[one] for one in self.algorithms)
            require_strong_secret(self.secret.get_secret_value(), "secret", shortest)
        for claim in (self.role_claim, self.person_claim, *self.must_have):
            if claim is not None and claim.partition(".")[0] in _THEIR_OWN_TO_EDIT:
                raise ValueError(f"{claim} is a claim that people can edit themselves")
        return self


def issuers_of(described: Iterable[Mapping[str, Any]], setting: str) -> tuple[Issuer, ...]:
    """From a setting; ValueError, in one line that names it, for what cannot be right."""
    found: list[Issuer] = []
    for place, one in enumerate(described, start=1):
        try:
            issuer = Issuer.model_validate(one)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            message = str(first["msg"]).removeprefix("Value error, ")
            told = f"{where}: {message}" if where else message
            raise ValueError(f"{setting}: number {place}: {told}") from None
        if issuer.issuer in {other.issuer for other in found}:
            raise ValueError(f"{setting}: {issuer.issuer} stands there twice")
        found.append(issuer)
    return tuple(found)


def require_safe_url(url: str, name: str) -> None:
    """ValueError unless it is https, or http to this machine."""
    parts = urlsplit(url)
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if not safe or not parts.hostname or parts.username is not None or parts.fragment:
        raise ValueError(f"{name} must be an https address")


def require_strong_secret(secret: str, name: str, bytes_min: int) -> None:
    """ValueError for a secret that could be guessed, or that was meant to be a public key."""
    if len(secret.encode()) < bytes_min:
        raise ValueError(f"{name} needs {bytes_min} characters or more")
    if len(set(secret)) < SECRET_CHARACTERS_DIFFERENT_MIN:
        raise ValueError(f"{name} is too simple: make it at random")
    if "-----BEGIN" in secret or secret.startswith(("ssh-", "ecdsa-")):
        raise ValueError(f"{name} is a public key: use jwks_url for these")


def claim_at(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, or by a path of names with dots; None where there is none."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found
