"""Look-ups of user agents and IP addresses."""
