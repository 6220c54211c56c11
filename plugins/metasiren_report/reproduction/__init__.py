"""The figures and tables of the SIREN paper: planned, repeated, and compared with the paper's numbers."""
