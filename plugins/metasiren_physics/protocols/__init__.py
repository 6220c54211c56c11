"""How fitted waves are judged, and pictures of them."""
