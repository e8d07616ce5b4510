"""Find leaks, label conflicts, near-duplicates and odd files in a dataset."""
