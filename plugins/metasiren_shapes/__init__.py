"""Shapes: signed distance fields from oriented points, and meshes of their level sets."""
