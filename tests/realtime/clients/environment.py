"""Where the official clients live: environments of their own, from locks of their own.

They are installed into ``build/`` when they are needed first, and again when a lock changes.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PLACE = ROOT / "build" / "clients"
NODE_FLOOR = 20
NODE_FILES = ("package.json", "package-lock.json", ".npmrc", "listen.mjs")
PATIENCE_S = 100


class Missing(Exception):
    """A client cannot be installed here; the message says why."""


def python(lock: str) -> Path:
    """The interpreter of an environment with the packages of ``requirements/<lock>.txt``."""
    place = PLACE / lock
    content = (ROOT / "requirements" / f"{lock}.txt").read_bytes() + sys.version.encode()
    with _made_once(place, content) as is_new:
        if is_new:
            setup = _dev()
            paths = {"PYTHON": place / "bin" / "python", "LOG": place / "setup.log"}
            vars(setup).update(VENV=place, **paths)
            try:
                setup.make_environment()
                setup.install(lock)
            except setup.CannotGoOn as reason:
                raise Missing(str(reason)) from reason
    return place / "bin" / "python"


def node() -> tuple[str, Path]:
    """Node, and the folder with the clients for it."""
    return node_packages(HERE, NODE_FILES, "node")


def node_packages(source: Path, names: Sequence[str], place_name: str) -> tuple[str, Path]:
    """Node, and a folder with what the lock among these files of ``source`` names."""
    executable, npm = shutil.which("node"), shutil.which("npm")
    if not executable or not npm:
        raise Missing(f"node {NODE_FLOOR} or newer, with npm, is not on PATH")
    version = subprocess.run([executable, "--version"], capture_output=True, text=True).stdout
    if int(version.lstrip("v").partition(".")[0] or 0) < NODE_FLOOR:
        raise Missing(f"node is {version.strip()}, and it must be {NODE_FLOOR} or newer")
    place = PLACE / place_name
    content = b"".join((source / name).read_bytes() for name in names) + version.encode()
    with _made_once(place, content) as is_new:
        if is_new:
            place.mkdir(parents=True, exist_ok=True)
            for name in names:
                shutil.copy(source / name, place)
            done = subprocess.run(
                [npm, "ci", "--ignore-scripts", "--silent"],
                cwd=place,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
            )
            if done.returncode:
                raise Missing(f"npm: {(done.stderr or done.stdout).strip()[-300:]}")
    return executable, place


class _made_once:
    """Says whether something has to be made; two who ask at once wait for each other."""

    def __init__(self, place: Path, content: bytes) -> None:
        self._stamp = place.with_suffix(".stamp")
        self._digest = hashlib.sha256(content + os.fsencode(place)).hexdigest()

    def __enter__(self) -> bool:
        self._stamp.parent.mkdir(parents=True, exist_ok=True)
        self._lock = (self._stamp.parent / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        is_new = not self._stamp.exists() or self._stamp.read_text() != self._digest
        if is_new:
            self._stamp.unlink(missing_ok=True)
        return is_new

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._stamp.write_text(self._digest)
        self._lock.close()


def _dev() -> ModuleType:
    """`./dev`, which knows how to install a lock on any machine."""
    loader = SourceFileLoader("dev_for_clients", str(ROOT / "dev"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
