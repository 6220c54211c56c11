"""Decoders: from a latent to the weights of a SIREN."""
