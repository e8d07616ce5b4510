"""The study of one recipe: proposals from an engine, trials from workers, a threshold for each, a record of all."""
