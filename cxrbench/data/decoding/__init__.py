"""Decode image files of any kind into grey squares."""
