"""Files, locks, the cache, arrays in shards, checked JSON records and text that is safe to show."""
