"""Search for one recipe: an engine proposes trials, workers train them, and a study record keeps every result."""
