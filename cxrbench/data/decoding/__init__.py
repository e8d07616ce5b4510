"""Decode image files of any format into square grey images."""
