"""Batch jobs: scoring that a client asks for and comes back to."""
