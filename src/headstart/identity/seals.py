"""What leaves the house sealed. Cursors: a place in the log would tell how much happens elsewhere.

AES-256-GCM, with a key for every salt (HKDF of RFC 5869, from the service's secret) and a salt and
a nonce at random: under one key, nonces would be used up after 2**32 seals (NIST SP 800-38D, 8.3).
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SALT_BYTES = 4
NONCE_BYTES = 12
NAME_BYTES = 12
SEALED_CHARACTERS = 64
_FIRST_BLOCK = b"\x01"  # of HKDF's second step: one is as long as the key


class BrokenSeal(ValueError):
    """Not a cursor that we gave out."""


@dataclass(frozen=True, slots=True)
class Box:
    """Seals for one purpose: what was sealed for another does not open. ``new_bytes`` makes salts
    and nonces."""

    secret: str
    purpose: bytes
    new_bytes: Callable[[int], bytes]

    def seal(self, content: bytes) -> bytes:
        """Nobody else can read it, or make one."""
        salt, nonce = self.new_bytes(SALT_BYTES), self.new_bytes(NONCE_BYTES)
        return salt + nonce + self._cipher(salt).encrypt(nonce, content, None)

    def open(self, sealed: bytes) -> bytes:
        """What was sealed; BrokenSeal for anything else."""
        salt, rest = sealed[:SALT_BYTES], sealed[SALT_BYTES:]
        try:
            return self._cipher(salt).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], None)
        except (InvalidTag, ValueError) as error:
            raise BrokenSeal from error

    def _cipher(self, salt: bytes) -> AESGCM:
        extracted = hmac.digest(salt, self.secret.encode(), sha256)
        return AESGCM(hmac.digest(extracted, self.purpose + _FIRST_BLOCK, sha256))


@dataclass(frozen=True, slots=True)
class Seals:
    """Of cursors. ``new_bytes`` makes salts and nonces."""

    secret: str
    new_bytes: Callable[[int], bytes]

    def seal(self, xid: int, event_id: int) -> str:
        """Opaque, and safe in a header."""
        return urlsafe_b64encode(self._box.seal(_written(xid, event_id))).decode()

    def open(self, sealed: str) -> tuple[int, int]:
        """What was sealed; BrokenSeal for anything else."""
        if len(sealed) != SEALED_CHARACTERS or not sealed.isascii():
            raise BrokenSeal
        try:
            body = self._box.open(urlsafe_b64decode(sealed))
        except ValueError as error:
            raise BrokenSeal from error
        return int.from_bytes(body[:8]), int.from_bytes(body[8:])

    def name(self, xid: int, event_id: int) -> str:
        """Always the same for one cursor: to tell copies from news. It orders nothing, and tells
        nothing of what happens in between."""
        key = hmac.digest(self.secret.encode(), b"cursor name", sha256)
        return hmac.digest(key, _written(xid, event_id), sha256)[:NAME_BYTES].hex()

    @property
    def _box(self) -> Box:
        return Box(self.secret, b"cursor", self.new_bytes)


def _written(xid: int, event_id: int) -> bytes:
    return xid.to_bytes(8) + event_id.to_bytes(8)
