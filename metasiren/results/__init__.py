"""Tables of metrics, and their text."""
