"""The functional SIREN, its activations, encodings and derivatives."""
