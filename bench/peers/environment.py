"""Where the libraries live: a virtual environment of their own, from a lock of their own."""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "peers.txt"
PLACE = ROOT / "build" / "peers"
PYTHON = PLACE / "bin" / "python"
STAMP = PLACE / "bench-stamp"

NOT_RUN = "NOT RUN: the other libraries; ./dev bench peers installs them into build/peers"


def is_ready() -> bool:
    """Does it hold what the lock holds now?"""
    return STAMP.is_file() and STAMP.read_text() == _stamp()


def make() -> None:
    """Make it anew, unless it is ready. Every package's hash is checked."""
    if is_ready():
        return
    print(f"bench: installing {LOCK.name} into {PLACE.relative_to(ROOT)}", file=sys.stderr)
    STAMP.unlink(missing_ok=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(PLACE)], check=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(LOCK)], check=True)
    STAMP.write_text(_stamp())


def _stamp() -> str:
    return hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
