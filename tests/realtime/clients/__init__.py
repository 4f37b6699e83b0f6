"""The official clients, unchanged, as processes of their own."""
