"""Audit a dataset: leaks, label conflicts, near-duplicates, odd files."""
