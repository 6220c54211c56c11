"""Solutions without a network: closed forms, finite differences, transforms, and an inversion by ADMM."""
