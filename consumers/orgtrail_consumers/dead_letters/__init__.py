"""Records that cannot be stored: sent to their topic, listed and replayed."""
