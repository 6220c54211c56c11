"""Wave problems as data: points, and the targets that are known there."""
