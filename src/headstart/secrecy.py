"""Where secrets come from, and whether somebody could guess one."""

from collections import Counter
from math import log2
from pathlib import Path

SECRET_BITS_MIN = 80  # as somebody counts who knows how often each character comes
SECRET_FILE_BYTES_MAX = 64 * 1024
_KNOWN = (
    *("changeme", "change-me", "example", "password", "secret-secret", "demo mode only"),
    *("super-secret-jwt-token", "256-bit"),  # of Supabase's own set-up, and of jwt.io
)


def secret_in(path: Path, variable: str) -> str:
    """What a file holds, without the line break at its end; ValueError for what holds nothing."""
    try:
        with path.open("rb") as file:
            text = file.read(SECRET_FILE_BYTES_MAX).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{variable} names a file that cannot be read: {path}") from error
    if not text:
        raise ValueError(f"{variable} names an empty file: {path}")
    return text


def is_weak(secret: str) -> bool:
    """Could somebody guess it? A known value, too few different characters, or one that repeats
    itself."""
    known = any(one in secret.lower() for one in _KNOWN)
    counts = Counter(secret).values()
    bits = -sum(count * log2(count / len(secret)) for count in counts)
    triples = {secret[at : at + 3] for at in range(len(secret) - 2)}
    return known or bits < SECRET_BITS_MIN or len(triples) < len(secret) / 2
