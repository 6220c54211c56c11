"""A single picture of which few pixels are seen: priors on its field, and the methods that people use otherwise."""
