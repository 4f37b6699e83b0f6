"""The locks hold hashes and no addresses, so that they install from any index, or from a folder."""

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
NAMES = ("run", "nats", "dev", "browser", "peers", "clients", "clients-old")


def pins(name: str) -> dict[str, list[str]]:
    """Each pinned requirement of a lock, with its hashes."""
    text = (REQUIREMENTS / f"{name}.txt").read_text().replace("\\\n", " ")
    entries = [line.split(" --hash=") for line in text.splitlines() if line.strip()]
    return {entry[0].strip(): [found.strip() for found in entry[1:]] for entry in entries}


def test_every_lock_is_known() -> None:
    assert {path.name for path in REQUIREMENTS.iterdir()} == {f"{name}.txt" for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_holds_no_address(name: str) -> None:
    text = (REQUIREMENTS / f"{name}.txt").read_text()
    assert "://" not in text
    assert "file:" not in text
    assert " @ " not in text


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_holds_no_option_but_hashes(name: str) -> None:
    text = (REQUIREMENTS / f"{name}.txt").read_text()
    assert not re.findall(r"(?m)(?:^|\s)-(?!-hash=sha256:)\S*", text)


@pytest.mark.parametrize("name", NAMES)
def test_every_package_is_pinned_and_hashed(name: str) -> None:
    for requirement, hashes in pins(name).items():
        assert re.fullmatch(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==[^ ;]+( ; .+)?", requirement)
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", found) for found in hashes)


@pytest.mark.parametrize(
    ("smaller", "larger"), [("run", "nats"), ("run", "dev"), ("dev", "browser")]
)
def test_a_larger_lock_holds_all_of_the_smaller(smaller: str, larger: str) -> None:
    assert pins(smaller).items() <= pins(larger).items()
