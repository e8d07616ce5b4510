"""Backbones, their weights and features, and the training of heads."""
