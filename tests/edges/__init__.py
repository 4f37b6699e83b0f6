"""The edges: what every request passes, and every answer."""
