"""Names that look like Stripe's."""

import secrets


def fresh_id(prefix: str) -> str:
    """A new id such as `cs_test_…`: after the prefix only letters and digits, unguessable."""
    return prefix + secrets.token_hex(14)
