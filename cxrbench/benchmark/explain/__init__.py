"""Explain the scores of a model: maps of images, how far to trust them, and the files that say so."""
