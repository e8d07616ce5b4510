"""The second stage of a run: the best recipes are trained on images, all of them, from the heads that were selected."""
