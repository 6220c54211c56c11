"""Networks that are compared with SIREN: other activations and input encodings, each with its source."""
