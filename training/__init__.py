"""Training: from images and a backbone to a bundle. Needs torch."""
