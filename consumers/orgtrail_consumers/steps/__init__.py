"""What happens to the events of a batch: pure functions over columns."""
