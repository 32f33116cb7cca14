"""HTTP: one thin router per concern."""
