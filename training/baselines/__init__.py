"""What images could be told apart by before deep networks, to see what these add."""
