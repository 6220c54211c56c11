"""How fitted waves are evaluated_points, and pictures of them."""
