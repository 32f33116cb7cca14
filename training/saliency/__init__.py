"""How faithful saliency methods are to a bundle's network, and which one suits it."""
