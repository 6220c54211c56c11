"""Evaluation of fitted waves, and pictures of them."""
