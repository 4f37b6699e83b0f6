"""Sign-in on the pages by OpenID Connect: authorization code with PKCE, state and nonce.

Authlib speaks the protocol. The ID token is read as strictly as a bearer token, with the same keys.
Between leaving and coming back the browser keeps a sealed note, and nobody else keeps anything.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import structlog

from headstart.app.ports import Credential
from headstart.identity.bearers import BadToken, Bearers, Trusted, verified
from headstart.identity.issuers import require_safe_url
from headstart.identity.key_sets import FRESH_S, Documents
from headstart.identity.seals import Box
from headstart.identity.signing_in import (
    AWAY_S_MAX,
    Client,
    Departure,
    ProviderAway,
    SignInFailed,
)

if TYPE_CHECKING:
    from headstart.identity.oauth import OAuth

SECRET_BYTES = 32
_DISCOVERY = "/.well-known/openid-configuration"

log = structlog.get_logger()


@dataclass(slots=True)
class Provider:
    """One identity provider, at which people sign in. ``clock`` is monotonic, in seconds."""

    trusted: Trusted
    client: Client
    bearers: Bearers
    documents: Documents
    seals: Box
    new_bytes: Callable[[int], bytes]
    now: Callable[[], datetime]
    clock: Callable[[], float]
    _metadata: Mapping[str, Any] = field(default_factory=dict)
    _asked_at: float | None = None

    @property
    def issuer(self) -> str:
        """Its name."""
        return self.trusted.issuer.issuer

    async def begin(self, then: str) -> Departure:
        """To the provider, and afterwards to the page ``then``. ProviderAway."""
        endpoint = await self._endpoint("authorization_endpoint")
        state, nonce, verifier = (self.new_bytes(SECRET_BYTES).hex() for _ in range(3))
        address = self._oauth().address(endpoint, state=state, nonce=nonce, verifier=verifier)
        note = {"state": state, "nonce": nonce, "verifier": verifier, "then": then}
        note["at"] = str(self._seconds())
        sealed = self.seals.seal(json.dumps(note).encode())
        return Departure(address, urlsafe_b64encode(sealed).decode())

    async def finish(self, note: str, answer: Mapping[str, str]) -> tuple[Credential, str]:
        """Who came back with this note and this answer, and where they wanted to go.

        SignInFailed, ProviderAway, or UnknownLogin.
        """
        left_with = self._open(note)
        if not _same(answer.get("state", ""), left_with["state"]):
            raise SignInFailed("another state came back")
        if answer.get("iss", self.issuer) != self.issuer:  # RFC 9207
            raise SignInFailed("another issuer answered")
        if "code" not in answer:
            raise SignInFailed(f"the provider said {answer.get('error', 'nothing')[:100]!r}")
        oauth, endpoint = self._oauth(), await self._endpoint("token_endpoint")
        tokens = await oauth.exchange(endpoint, answer["code"], left_with["verifier"])
        token, nonce = str(tokens.get("id_token", "")), left_with["nonce"]
        access = tokens.get("access_token")
        try:
            claims = await verified(token, self.trusted, self.client.id, self.now())
            oauth.require_meant(token, claims, nonce=nonce, access=access, now=self.now())
            return await self.bearers.credential(self.trusted.issuer, claims), left_with["then"]
        except BadToken as error:
            raise SignInFailed("the ID token is not right") from error

    async def farewell(self) -> str | None:
        """Where a browser is sent to sign out there, too; None when that is not offered."""
        try:
            endpoint = await self._endpoint("end_session_endpoint")
        except ProviderAway:
            return None
        asked = {"client_id": self.client.id, "post_logout_redirect_uri": self.client.home}
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    def _open(self, note: str) -> Mapping[str, str]:
        try:
            opened = self.seals.open(urlsafe_b64decode(note))
        except ValueError as error:
            raise SignInFailed("the note is not ours") from error
        left_with: Mapping[str, str] = json.loads(opened)
        if self._seconds() - int(left_with["at"]) > AWAY_S_MAX:
            raise SignInFailed("the note is too old")
        return left_with

    async def _endpoint(self, name: str) -> str:
        await self._discover()
        endpoint = self._metadata.get(name)
        try:
            require_safe_url(str(endpoint), name)
        except ValueError as error:
            raise ProviderAway(f"it names no proper {name}") from error
        return str(endpoint)

    async def _discover(self) -> None:
        """What the provider says of itself, kept for a while; longer while it is down."""
        if self._asked_at is not None and self.clock() - self._asked_at < FRESH_S:
            return
        try:
            found = await self.documents.fetch(self.issuer.rstrip("/") + _DISCOVERY)
            if found.get("issuer") != self.issuer:
                raise ValueError(f"it calls itself {found.get('issuer')!r}")
        except (httpx.HTTPError, ValueError, TimeoutError, OSError) as error:
            log.warning("identity_provider_away", issuer=self.issuer, error=repr(error))
            if not self._metadata:
                raise ProviderAway(repr(error)) from error
        else:
            self._metadata, self._asked_at = found, self.clock()

    def _oauth(self) -> "OAuth":
        from headstart.identity.oauth import OAuth  # slow to load, and needed by few

        return OAuth(self.client, self.documents)

    def _seconds(self) -> int:
        return int(self.now().timestamp())


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())
