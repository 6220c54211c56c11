"""A single picture as a signal: reading, fitting, looking at derivatives, drawing at any size."""
