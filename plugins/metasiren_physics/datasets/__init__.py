"""Wave problems as data: points to question, and what is known there."""
