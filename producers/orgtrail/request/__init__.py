"""What a request tells of who acts and from where, for the middlewares of every framework."""
