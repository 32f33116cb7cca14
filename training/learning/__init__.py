"""What a step of learning is made of: images, targets, losses, optimisers, rates."""
