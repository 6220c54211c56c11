"""Decoders: from what is known of a signal to the weights of a SIREN."""
