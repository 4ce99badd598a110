"""The processing steps of a batch: pure functions over columns."""
