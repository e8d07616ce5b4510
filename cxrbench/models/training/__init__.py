"""Train the head, the small trainable part on top of the features."""
