"""What operators do, with the reason they gave, and the trail that shows it was not altered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from headstart.app.ports.log import Cursor


@dataclass(frozen=True, slots=True)
class By:
    """Who acts for the house, and why, in their own words."""

    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """How far a chain reaches that runs through a whole table."""

    id: int = 0
    hash: bytes | None = None


class OperatorActions(Protocol):
    """What operators did that is no event of a request. Never contact data: it stays for good."""

    async def actions(self, limit: int) -> Sequence[dict[str, Any]]:
        """Newest first."""
        ...


class Keys(Protocol):
    """Ed25519 keys. The first public key is the one that signs, where there is one to sign with."""

    @property
    def public_keys(self) -> Sequence[bytes]:
        """Whose signatures count: 32 bytes each."""
        ...

    def sign(self, message: bytes) -> bytes:
        """A signature of 64 bytes."""
        ...

    def verify(self, public_key: bytes, signature: bytes, message: bytes) -> bool:
        """Whether this key signed exactly this."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """The newest checkpoint in the database, and how old it is, in seconds."""

    note: str
    age_s: float
    now: str


class AuditTrail(Protocol):
    """What checkpoints are made of. Cheap however old the log is."""

    async def latest(self) -> Kept:
        """The newest checkpoint; an empty note when there is none yet."""
        ...

    async def hashes_after(self, place: Cursor, limit: int) -> Sequence[tuple[Cursor, bytes]]:
        """The hashes of the next events, in the order of the log, which no late commit changes."""
        ...

    async def ends(self) -> Mapping[str, End]:
        """How far the chains of operators' actions reach."""
        ...

    async def keep(self, number: int, note: str) -> bool:
        """Store a checkpoint; False when another process was faster."""
        ...


class Outside(Protocol):
    """Where checkpoints go that the database cannot reach."""

    async def newest(self) -> str | None:
        """The last note that went there."""
        ...

    async def publish(self, number: int, note: str) -> None:
        """For good."""
        ...
