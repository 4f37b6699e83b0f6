"""Authlib's client with our transport. Imported only where people sign in at a provider: it and
what it brings take a third of a second to load."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import DEFAULT_HEADERS, OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc.errors import JoseError

from headstart.identity.bearers import LEEWAY, BadToken, unverified
from headstart.identity.key_sets import Documents
from headstart.identity.signing_in import Client, ProviderAway, SignInFailed


class OAuth(OAuth2Client):  # type: ignore[misc]
    """One sign-in: little time, little size, no redirects."""

    def __init__(self, client: Client, documents: Documents) -> None:
        super().__init__(
            None,
            client_id=client.id,
            client_secret=client.secret,
            scope=client.scopes,
            redirect_uri=client.callback,
            code_challenge_method="S256",
        )
        self._documents = documents

    def address(self, endpoint: str, *, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes."""
        address, _ = self.create_authorization_url(
            endpoint, state=state, nonce=nonce, code_verifier=verifier
        )
        return str(address)

    async def exchange(self, endpoint: str, code: str, verifier: str) -> Mapping[str, Any]:
        """The tokens for a code; SignInFailed when it is refused, ProviderAway without answer."""
        try:
            found: Mapping[str, Any] = await self.fetch_token(
                endpoint,
                headers=dict(DEFAULT_HEADERS),  # theirs is shared, and would keep our secret
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
            )
        except OAuth2Error as error:
            raise SignInFailed(f"the code was refused: {error.error}") from error
        except (httpx.HTTPError, ValueError, TimeoutError) as error:
            raise ProviderAway(repr(error)) from error
        return found

    async def _fetch_token(
        self, url: str, body: str, headers: dict[str, str], auth: Any, method: str
    ) -> Any:
        url, headers, body = auth.prepare(method, url, headers, body)
        return self.parse_response_token(await self._documents.post(url, headers, body))

    def require_meant(
        self, token: str, claims: Mapping[str, Any], *, nonce: str, access: Any, now: datetime
    ) -> None:
        """BadToken unless a verified ID token is for us and for this very sign-in (OpenID Connect
        Core, 3.1.3.7)."""
        header, _ = unverified(token)
        meant = {"nonce": nonce, "client_id": self.client_id, "access_token": access}
        try:
            CodeIDToken(dict(claims), header, params=meant).validate(
                int(now.timestamp()), int(LEEWAY.total_seconds())
            )
        except JoseError as error:
            raise BadToken from error
