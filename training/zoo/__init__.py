"""`make zoo-check`: every backbone of the zoo, exported and held against PyTorch."""
