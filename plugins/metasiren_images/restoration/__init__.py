"""A single picture of which few pixels are seen: priors on its field, and classical methods."""
