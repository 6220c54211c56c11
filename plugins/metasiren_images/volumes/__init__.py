"""A scalar field in space, known at voxels."""
