"""How priors over images are evaluated."""
