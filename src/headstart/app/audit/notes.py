"""Checkpoints as text that anybody can check with the public key: the signed note of the C2SP.

The first three lines are a tlog-checkpoint: origin, number of events, root. What follows is ours.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType

from headstart.app.audit.merkle import HASH_BYTES, Tree, root_of
from headstart.app.ports import Cursor, End, Keys

ORIGIN = "headstart"
ED25519 = b"\x01"
KEY_ID_BYTES = 4
SIGNATURE_BYTES = 64
_NONE = "-"
_SIGNATURE = re.compile(rf"— {ORIGIN} ([A-Za-z0-9+/=]+)\n")


class BadNote(ValueError):
    """Not a checkpoint of ours; the message says why."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the trail held. ``place`` is the last, in the order of the log, of the ``size`` events
    it counts; ``previous`` is the hash of the note before; ``at`` is the database's time."""

    number: int
    at: str
    size: int
    peaks: tuple[bytes, ...]
    place: Cursor
    previous: bytes | None = None
    ends: Mapping[str, End] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def tree(self) -> Tree:
        """To go on from here."""
        return Tree(self.size, list(self.peaks))


def note_hash(note: str) -> bytes:
    """What the next checkpoint says of this one."""
    return sha256(note.encode()).digest()


def key_id(public_key: bytes) -> bytes:
    """How a signature names its key."""
    return sha256(ORIGIN.encode() + b"\n" + ED25519 + public_key).digest()[:KEY_ID_BYTES]


def text_of(checkpoint: Checkpoint) -> str:
    """What is signed."""
    lines = [
        ORIGIN,
        str(checkpoint.size),
        _base64(root_of(checkpoint.peaks)),
        f"number {checkpoint.number}",
        f"at {checkpoint.at}",
        f"previous {_base64(checkpoint.previous)}",
        f"place {checkpoint.place.xid} {checkpoint.place.id}",
        f"peaks {' '.join(map(_base64, checkpoint.peaks))}",
    ]
    lines += [f"end {name} {end.id} {_base64(end.hash)}" for name, end in checkpoint.ends.items()]
    return "".join(f"{line}\n" for line in lines)


def signed(checkpoint: Checkpoint, keys: Keys) -> str:
    """As it is kept, logged and handed out."""
    text = text_of(checkpoint)
    signature = key_id(keys.public_keys[0]) + keys.sign(text.encode())
    return f"{text}\n— {ORIGIN} {_base64(signature)}\n"


def opened(note: str, keys: Keys) -> Checkpoint:
    """A checkpoint that one of these keys has signed; BadNote for anything else."""
    text, gap, signature_line = note.rpartition("\n\n")
    text += "\n"
    found = _SIGNATURE.fullmatch(signature_line)
    if not gap or not found:
        raise BadNote("this is no signed note")
    signature = _bytes(found[1])
    if len(signature) != KEY_ID_BYTES + SIGNATURE_BYTES:
        raise BadNote("the signature has the wrong length")
    signed_by = [key for key in keys.public_keys if key_id(key) == signature[:KEY_ID_BYTES]]
    if not signed_by:
        raise BadNote("it was signed with another key")
    if not keys.verify(signed_by[0], signature[KEY_ID_BYTES:], text.encode()):
        raise BadNote("the signature does not fit what it says")
    return _read(text)


def _read(text: str) -> Checkpoint:
    """Signed by us, and so well-formed, unless another release wrote it."""
    try:
        origin, size, root, *more = text.splitlines()
        said = dict(line.split(" ", 1) for line in more if not line.startswith("end "))
        ends = [line.split(" ")[1:] for line in more if line.startswith("end ")]
        xid, event_id = said["place"].split(" ")
        checkpoint = Checkpoint(
            number=int(said["number"]),
            at=said["at"],
            size=int(size),
            peaks=tuple(map(_bytes, said["peaks"].split())),
            place=Cursor(int(xid), int(event_id)),
            previous=_hash(said["previous"]),
            ends={name: End(int(number), _hash(value)) for name, number, value in ends},
        )
    except (ValueError, KeyError) as error:
        raise BadNote(f"it cannot be read: {error!r}") from error
    if origin != ORIGIN or _bytes(root) != root_of(checkpoint.peaks):
        raise BadNote("its root is not that of its peaks")
    return checkpoint


def _base64(value: bytes | None) -> str:
    return _NONE if value is None else b64encode(value).decode()


def _bytes(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except NotBase64 as error:
        raise BadNote("it is not base64") from error


def _hash(text: str) -> bytes | None:
    if text == _NONE:
        return None
    value = _bytes(text)
    if len(value) != HASH_BYTES:
        raise BadNote("a hash has the wrong length")
    return value
