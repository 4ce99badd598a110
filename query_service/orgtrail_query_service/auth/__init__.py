"""Who is asking, and which organizations they may read."""
