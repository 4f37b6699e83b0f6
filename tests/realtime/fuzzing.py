"""Messages that are almost right. The seed is fixed; the environment says how many."""

import os
import random

FRAMES_FUZZED = int(os.environ.get("HEADSTART_TEST_FUZZED_FRAMES", "2000"))


def mutilated(chance: random.Random, message: bytes) -> bytes:
    """Cut, doubled, with pieces overwritten."""
    changed = bytearray(message)
    for _ in range(chance.randrange(4)):
        place = chance.randrange(len(changed) + 1)
        match chance.randrange(4):
            case 0:
                changed[place : place + 1] = chance.randbytes(chance.randrange(3))
            case 1:
                del changed[place:]
            case 2:
                changed += changed[:place]
            case _:
                changed[place:place] = chance.choice(
                    [b'"', b"[", b"{}", b"null", b"\\ud800", b"1e9"]
                )
    return bytes(changed)
