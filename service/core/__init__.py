"""What answers are made of: no web framework, no inference runtime."""
