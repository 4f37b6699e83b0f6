"""A stand-in identity provider: real HTTP on loopback, and as strict as a real one."""

import hmac
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.identity.forge import claims, jwk, rsa_key, signed
from tests.payments.stand import listening, served

CLIENT_ID = "headstart-pages"
CLIENT_SECRET = "the client's secret, known to both"

Json = dict[str, Any]


@dataclass
class IdentityProvider:
    """Whoever comes is ``subject``, without being asked; ``twist`` changes what it says."""

    address: str
    callback: str
    subject: str = "auth0|7"
    shop: Json | None = None
    twist: Json = field(default_factory=dict)
    metadata: Json = field(default_factory=dict)
    down: bool = False
    key: str = "one"
    published: list[str] = field(default_factory=lambda: ["one"])
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        await self._app()(scope, receive, send)

    def _app(self) -> Starlette:
        routes = {
            "/.well-known/openid-configuration": self._discovery,
            "/keys": self._keys,
            "/authorize": self._authorize,
        }
        return Starlette(
            routes=[
                *(Route(path, endpoint) for path, endpoint in routes.items()),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    async def _discovery(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        if self.down:
            return Response("away", 503)
        known = {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "end_session_endpoint": f"{self.address}/logout",
        }
        return JSONResponse({**known, **self.metadata})

    async def _keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [jwk(name) for name in self.published]})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["redirect_uri"] == self.callback
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_hex(16)
        self.codes[code] = asked
        answer: Json = {"code": code, "state": asked["state"], "iss": self.address}
        answer |= self.twist.get("answer", {})
        said = {name: value for name, value in answer.items() if value is not None}
        return RedirectResponse(f"{self.callback}?{urlencode(said)}")

    async def _token(self, request: Request) -> Response:
        sent = dict(parse_qsl((await request.body()).decode()))
        expected = "Basic " + b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if not hmac.compare_digest(request.headers.get("authorization", ""), expected):
            return JSONResponse({"error": "invalid_client"}, 401)
        asked = self.codes.pop(sent.get("code", ""), None)  # once
        digest = sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
        fits = (
            asked is not None
            and sent.get("grant_type") == "authorization_code"
            and sent.get("redirect_uri") == self.callback
            and asked["code_challenge"] == challenge
        )
        if not fits or asked is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        access = secrets.token_hex(16)
        tokens = {
            "access_token": access,
            "token_type": "Bearer",
            "id_token": self._id_token(asked["nonce"], access),
        }
        return JSONResponse({**tokens, **self.twist.get("tokens", {})})

    def _id_token(self, nonce: str, access: str) -> str:
        half = sha256(access.encode()).digest()[:16]
        said = claims(
            self.address,
            aud=CLIENT_ID,
            sub=self.subject,
            nonce=nonce,
            at_hash=urlsafe_b64encode(half).rstrip(b"=").decode(),
            shop=self.shop,
        )
        changed = {**said, **self.twist.get("id_token", {})}
        told = {name: value for name, value in changed.items() if value is not None}
        return signed(told, rsa_key(self.twist.get("key", self.key)), kid=self.key)


@asynccontextmanager
async def identity_provider() -> AsyncIterator[IdentityProvider]:
    """One that has yet to be told its ``callback``."""
    bound, address = listening()
    provider = IdentityProvider(address, "")
    async with served(provider, bound):
        yield provider


def query_of(address: str) -> dict[str, str]:
    """The query of an address."""
    return dict(parse_qsl(urlsplit(address).query))
