"""Entries, predictions and the test-set lock on disk, checked when they are read."""
