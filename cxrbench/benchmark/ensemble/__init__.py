"""Ensembles of entries: choose members on validation, then score the test images once."""
