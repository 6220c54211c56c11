"""How the sketch faces are made: random numbers, attributes, coordinates, shapes, layers."""
