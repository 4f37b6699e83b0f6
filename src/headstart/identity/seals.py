"""Cursors leave the house sealed: a place in the log would tell how much happens elsewhere.

Encrypt, then authenticate, both with HMAC-SHA256 as the pseudo-random function and a fresh nonce
for every seal, so that not even two seals of one cursor look alike.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

NONCE_BYTES = 12
BODY_BYTES = 16
TAG_BYTES = 12
NAME_BYTES = 12
SEALED_CHARACTERS = 56


class BrokenSeal(ValueError):
    """Not a cursor that we gave out."""


@dataclass(frozen=True, slots=True)
class Seals:
    """``new_bytes`` makes nonces."""

    secret: str
    new_bytes: Callable[[int], bytes]

    def seal(self, xid: int, event_id: int) -> str:
        """Opaque, and safe in a header."""
        nonce = self.new_bytes(NONCE_BYTES)
        body = xid.to_bytes(8) + event_id.to_bytes(8)
        sealed = nonce + _mixed(body, self._pad(nonce))
        return urlsafe_b64encode(sealed + self._tag(sealed)).decode()

    def open(self, sealed: str) -> tuple[int, int]:
        """What was sealed; BrokenSeal for anything else."""
        if len(sealed) != SEALED_CHARACTERS or not sealed.isascii():
            raise BrokenSeal
        raw = urlsafe_b64decode(sealed)
        content, tag = raw[:-TAG_BYTES], raw[-TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(content)):
            raise BrokenSeal
        body = _mixed(content[NONCE_BYTES:], self._pad(content[:NONCE_BYTES]))
        return int.from_bytes(body[:8]), int.from_bytes(body[8:])

    def name(self, xid: int, event_id: int) -> str:
        """Always the same for one cursor: to tell copies from news. It orders nothing, and tells
        nothing of what happens in between."""
        body = xid.to_bytes(8) + event_id.to_bytes(8)
        return self._digest(b"cursor name", body)[:NAME_BYTES].hex()

    def _pad(self, nonce: bytes) -> bytes:
        return self._digest(b"cursor pad", nonce)[:BODY_BYTES]

    def _tag(self, content: bytes) -> bytes:
        return self._digest(b"cursor tag", content)[:TAG_BYTES]

    def _digest(self, purpose: bytes, content: bytes) -> bytes:
        key = hmac.digest(self.secret.encode(), purpose, sha256)
        return hmac.digest(key, content, sha256)


def _mixed(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
