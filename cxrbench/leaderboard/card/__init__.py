"""The model card of an exported model: a pure function of its record."""
