"""Sealed cursors: they open again, say nothing, and cannot be made or changed outside."""

from secrets import token_bytes

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from headstart.identity.seals import SEALED_CHARACTERS, Box, BrokenSeal, Seals

SECRET = "a secret of more than thirty-two characters"
SEALS = Seals(SECRET, token_bytes)
NUMBERS = st.integers(min_value=0, max_value=2**63 - 1)


@given(NUMBERS, NUMBERS)
def test_what_was_sealed_opens(xid: int, event_id: int) -> None:
    sealed = SEALS.seal(xid, event_id)
    assert len(sealed) == SEALED_CHARACTERS
    assert SEALS.open(sealed) == (xid, event_id)


def test_two_seals_of_one_cursor_have_nothing_in_common() -> None:
    one, other = SEALS.seal(7, 9), SEALS.seal(7, 9)
    assert sum(a == b for a, b in zip(one, other, strict=True)) < SEALED_CHARACTERS / 3


@given(st.text(max_size=80))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BrokenSeal):
        SEALS.open(text)


@pytest.mark.parametrize("place", range(0, SEALED_CHARACTERS - 1, 5))
def test_a_changed_seal_is_refused(place: int) -> None:
    sealed = SEALS.seal(7, 9)
    changed = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :]
    with pytest.raises(BrokenSeal):
        SEALS.open(changed)


def test_a_seal_of_another_house_is_refused() -> None:
    other = Seals("another secret of thirty-two characters", token_bytes)
    with pytest.raises(BrokenSeal):
        SEALS.open(other.seal(7, 9))


def test_it_is_the_cipher_and_the_key_of_the_standards() -> None:
    sealed = Box(SECRET, b"a test", token_bytes).seal(b"content")
    salt, nonce, rest = sealed[:4], sealed[4:16], sealed[16:]
    key = HKDF(SHA256(), 32, salt, b"a test").derive(SECRET.encode())
    assert AESGCM(key).decrypt(nonce, rest, None) == b"content"


def test_what_is_sealed_for_one_purpose_does_not_open_for_another() -> None:
    note = Box(SECRET, b"sign-in note", token_bytes).seal(b"content")
    for sealed in (note, b"", note[:3], note[:15], note[:24]):
        with pytest.raises(BrokenSeal):
            Box(SECRET, b"cursor", token_bytes).open(sealed)
