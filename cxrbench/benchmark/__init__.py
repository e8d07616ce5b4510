"""The story of a run: plan, extract, search, freeze, score, publish."""
