"""Images: data sets, encoders of sparse observations, and the inpainting table."""
