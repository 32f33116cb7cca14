"""The contract between training and serving: what a bundle is and how an image becomes its input."""
