"""Shapes: signed distance fields from oriented points, and the meshes that come out of them."""
