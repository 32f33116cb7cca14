"""From a user's folder, table or shards to labelled images, split for training and judging."""
