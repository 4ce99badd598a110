"""Dead letters, which are records that cannot be stored: sent to a topic, listed, replayed."""
