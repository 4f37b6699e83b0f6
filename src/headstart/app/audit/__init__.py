"""The audit trail, without a database: canonical forms, chains, the tree, signed checkpoints."""
