"""Batch scoring: inputs -> decoded images -> rows -> parts, each a file of many rows."""
