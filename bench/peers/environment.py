"""Where the libraries live: a virtual environment of their own, from a lock of their own; and a
folder for what runs on Node.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "peers.txt"
PLACE = ROOT / "build" / "peers"
PYTHON = PLACE / "bin" / "python"
STAMP = PLACE / "bench-stamp"
NODE_SOURCE = ROOT / "bench" / "sockets" / "servers"
NODE_FILES = ("package.json", "package-lock.json", ".npmrc", "socketio_node.mjs")
NODE_PLACE = ROOT / "build" / "peers-node"

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


def make_node() -> None:
    """The same for Node, by its own lock."""
    NODE_PLACE.mkdir(parents=True, exist_ok=True)
    for name in NODE_FILES:
        shutil.copy(NODE_SOURCE / name, NODE_PLACE)
    install = ["npm", "ci", "--ignore-scripts", "--silent"]
    subprocess.run(install, cwd=NODE_PLACE, check=True, stderr=subprocess.DEVNULL)


def node_is_there() -> bool:
    """With what installs for it."""
    return all(map(shutil.which, ("node", "npm")))


def _stamp() -> str:
    return hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
