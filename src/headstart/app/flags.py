"""The one evaluator of flags. A customer is in or out of a rollout for good, not by chance."""

import hashlib

from headstart.app.ports import Flag
from headstart.core.request import CustomerId

FAVORITES_PRIORITY = "ENABLE_FAVORITES_PRIORITY"


def is_on_for(flag: Flag, customer: CustomerId) -> bool:
    """Whether the flag is on for this customer: the same answer on every node, every time."""
    return flag.enabled and _percentile(flag.name, customer) < flag.rollout_percentage


def _percentile(name: str, customer: CustomerId) -> int:
    digest = hashlib.sha256(f"{name}:{customer}".encode()).digest()
    return int.from_bytes(digest[:8]) % 100
