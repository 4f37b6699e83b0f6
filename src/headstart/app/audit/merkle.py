"""A Merkle tree that only grows (RFC 6962): what it takes to grow are log2(n) hashes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

EMPTY = sha256(b"").digest()
HASH_BYTES = 32


def leaf(content: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(b"\x00" + content).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash above two."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class Tree:
    """``peaks`` are the roots of the complete trees that ``size`` leaves make, largest first."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.size.bit_count() != len(self.peaks):
            raise ValueError(f"{self.size} leaves do not have {len(self.peaks)} peaks")

    def append(self, content: bytes) -> None:
        """One more leaf."""
        grown, size = leaf(content), self.size
        while size & 1:
            grown = node(self.peaks.pop(), grown)
            size >>= 1
        self.peaks.append(grown)
        self.size += 1

    def extend(self, contents: Iterable[bytes]) -> None:
        """More leaves, in order."""
        for content in contents:
            self.append(content)

    @property
    def root(self) -> bytes:
        """Of everything so far."""
        return root_of(self.peaks)


def root_of(peaks: Sequence[bytes]) -> bytes:
    """The root above peaks."""
    if not peaks:
        return EMPTY
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node(peak, root)
    return root
