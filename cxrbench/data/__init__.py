"""Datasets: read, decoded once into an array on disk, audited and split."""
