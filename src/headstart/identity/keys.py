"""Ed25519 keys for the checkpoints of the audit trail."""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_BYTES = 32


class Ed25519Keys:
    """The port ``Keys``. Without a private key it only verifies."""

    def __init__(self, private_key: bytes | None, trusted: Sequence[bytes] = ()) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(private_key) if private_key else None
        own = [self._private.public_key().public_bytes_raw()] if self._private else []
        self.public_keys: Sequence[bytes] = (*own, *trusted)

    @property
    def can_sign(self) -> bool:
        """Whether there is a private key."""
        return self._private is not None

    def sign(self, message: bytes) -> bytes:
        """With the private key."""
        assert self._private, "only who has the private key signs"
        return self._private.sign(message)

    def verify(self, public_key: bytes, signature: bytes, message: bytes) -> bool:
        """Whether this key signed exactly this."""
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
        except InvalidSignature:
            return False
        return True


def key_from(text: str, name: str) -> bytes:
    """32 bytes, written in base64; ValueError, naming the setting, for anything else."""
    try:
        key = b64decode(text, validate=True)
    except NotBase64:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"{name} must be {KEY_BYTES} bytes in base64: openssl rand -base64 32")
    return key
