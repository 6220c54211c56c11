"""A single picture that is measured indirectly: noisy, through larger pixels, or along lines."""
