"""The figures and tables of the SIREN paper: planned, repeated, and laid beside the paper's numbers."""
