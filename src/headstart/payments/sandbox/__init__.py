"""A small stand-in for Stripe, for demos and tests: sandbox, no real money.

It stands for a foreign system, so it knows nothing of the rest of this program and is spoken to
over HTTP only. This module is kept light on purpose: the checks made at the start of the service
need the well-known secrets, not the server (which is in `sandbox.server`).
"""

from typing import Final

SANDBOX_SECRET_KEY: Final = "sk_test_headstart_sandbox"
"""A key the sandbox accepts. It accepts any other test key too, and no live one."""

SANDBOX_WEBHOOK_SECRET: Final = "whsec_headstart_sandbox_known_to_everybody"
"""Signs the sandbox's webhooks. Public, hence refused together with a live key."""
