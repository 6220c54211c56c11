"""A mixture of Gaussians over signals on a grid, in closed form."""
