"""Everything that knows Stripe, held against the official SDK over real sockets."""
