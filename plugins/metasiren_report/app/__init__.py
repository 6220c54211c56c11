"""A local web app: complete faces, fit pictures and sounds, walk between latents, compare runs."""
