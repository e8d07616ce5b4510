"""Entries, the board that ranks them, and how it is written down."""
