"""Train, evaluate and render."""
