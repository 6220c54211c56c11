"""Recipe and catalogue give the assembled experiment."""
