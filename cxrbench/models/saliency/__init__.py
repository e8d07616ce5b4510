"""Saliency maps: which places of an image the logit comes from, and how far such maps can be trusted."""
