"""From a row to a model: load, export, use and explain it."""
