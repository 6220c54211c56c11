"""Makes an experiment from a recipe and the catalogue of parts."""
