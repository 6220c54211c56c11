"""Pictures from their derivatives: the Poisson equation, editing by gradients, and the exact solutions of both."""
