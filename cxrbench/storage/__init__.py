"""Files, locks, the cache, sharded arrays, checked JSON records and text that is safe to show."""
