"""Figures for papers and notebooks, drawn with matplotlib. Their numbers are those of the page."""
