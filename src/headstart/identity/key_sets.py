"""Public keys of identity providers, fetched when needed, kept, and never fetched too often."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx
import jwt
import structlog

FRESH_S = 600.0  # a key that was withdrawn is believed no longer than this, and FETCH_S_MAX
REFRESH_EVERY_S = 30.0  # whatever strangers send, the key server is not asked more often
STALE_S_MAX = 24 * 3600.0  # while the key server is down
FETCH_S_MAX = 3.0
DOCUMENT_BYTES_MAX = 256 * 1024
KEYS_MAX = 100
_KINDS = {"R": "RSA", "P": "RSA", "E": "EC"}  # by an algorithm's first letter

Document = dict[str, Any]
Fetch = Callable[[str], Awaitable[Document]]

log = structlog.get_logger()


class NoKey(Exception):
    """There is no such key, or it cannot be had."""


class KeySet:
    """The key set of one provider. ``clock`` is monotonic, in seconds."""

    def __init__(self, url: str, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._url = url
        self._fetch = fetch
        self._clock = clock
        self._keys: Sequence[Document] = ()
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._one_at_a_time = asyncio.Lock()

    async def key(self, kid: str | None, algorithm: str) -> jwt.PyJWK:
        """The key of this id for this algorithm; without an id, the only one there is.

        NoKey when there is none, also after asking again. While one asks a server that hangs, the
        others go on with the keys we have.
        """
        somebody_asks = self._one_at_a_time.locked()
        if self._age_s() > FRESH_S and not (somebody_asks and self._fitting(kid, algorithm)):
            await self._refresh()
        if not self._fitting(kid, algorithm):
            await self._refresh()
        fitting = self._fitting(kid, algorithm) if self._age_s() <= STALE_S_MAX else []
        if len(fitting) != 1:
            raise NoKey
        try:
            return jwt.PyJWK(fitting[0], algorithm=algorithm)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
            raise NoKey from error

    def _fitting(self, kid: str | None, algorithm: str) -> list[Document]:
        kind = _KINDS.get(algorithm[0]) if algorithm != "EdDSA" else "OKP"
        return [
            key
            for key in self._keys
            if key.get("kty") == kind
            and (kid is None or key.get("kid") == kid)
            and key.get("alg", algorithm) == algorithm
            and key.get("use", "sig") == "sig"
            and "verify" in key.get("key_ops", ["verify"])
        ]

    def _age_s(self) -> float:
        return float("inf") if self._fetched_at is None else self._clock() - self._fetched_at

    async def _refresh(self) -> None:
        """Ask the key server, unless it was asked a moment ago; keep the keys while it is down."""
        async with self._one_at_a_time:
            if self._tried_at is not None and self._clock() - self._tried_at < REFRESH_EVERY_S:
                return
            self._tried_at = self._clock()
            try:
                self._keys = _keys_of(await self._fetch(self._url))
                self._fetched_at = self._clock()
            except (httpx.HTTPError, ValueError, TimeoutError, OSError) as error:
                known = len(self._keys)
                log.warning("keys_not_fetched", url=self._url, error=repr(error), known=known)


def _keys_of(document: Document) -> Sequence[Document]:
    keys = document.get("keys")
    if not isinstance(keys, list) or len(keys) > KEYS_MAX:
        raise ValueError("not a key set")
    return [key for key in keys if isinstance(key, dict)]


class Documents:
    """JSON from configured addresses: no redirects, little time, little size."""

    def __init__(self) -> None:
        self._outside = httpx.AsyncClient(follow_redirects=False, timeout=FETCH_S_MAX)
        self._here = httpx.AsyncClient(follow_redirects=False, timeout=FETCH_S_MAX, trust_env=False)

    async def fetch(self, url: str) -> Document:
        """A document; httpx.HTTPError, TimeoutError or ValueError when it cannot be had."""
        answer = await self._ask("GET", url)
        if answer.status_code != httpx.codes.OK:
            raise ValueError(f"it answered {answer.status_code}")
        document = answer.json()
        if not isinstance(document, dict):
            raise ValueError("it is no JSON object")
        return document

    async def post(self, url: str, headers: Mapping[str, str], body: str) -> httpx.Response:
        """The answer to a form, whatever it is; the same errors when there is none."""
        return await self._ask("POST", url, headers=headers, content=body)

    async def _ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        client = self._outside if url.startswith("https://") else self._here
        async with asyncio.timeout(FETCH_S_MAX), client.stream(method, url, **more) as answer:
            body = bytearray()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > DOCUMENT_BYTES_MAX:
                    raise ValueError("it is too long")
        return httpx.Response(answer.status_code, content=bytes(body), request=answer.request)

    async def close(self) -> None:
        """No more asking."""
        await self._outside.aclose()
        await self._here.aclose()
