"""The contract between training and serving: a bundle, and how a photo becomes its input."""
