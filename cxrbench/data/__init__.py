"""Images decoded once into an array on disk, labels and patients; checked; split."""
