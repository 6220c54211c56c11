"""Parts that every signal needs."""
