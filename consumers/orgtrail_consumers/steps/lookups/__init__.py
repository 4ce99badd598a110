"""What a user agent or an IP address tells."""
