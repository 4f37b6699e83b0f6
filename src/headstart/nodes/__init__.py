"""What many processes say to each other, where PostgreSQL is not to carry it."""
