"""How the sketch faces are made: chance, people, coordinates, shapes, layers."""
