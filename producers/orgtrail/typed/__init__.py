"""One typed function for each event: how they are called, and how their module is written."""
