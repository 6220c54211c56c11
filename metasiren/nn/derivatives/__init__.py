"""Values and derivatives of a SIREN in one pass."""
