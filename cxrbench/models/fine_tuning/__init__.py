"""Train a whole network on images: from the head that was selected on its features, or from random weights."""
