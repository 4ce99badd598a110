"""HTTP itself, before routes: the server's protocol, path prefixes, HEAD, content negotiation."""
