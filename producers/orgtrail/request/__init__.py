"""Reads the actor and origin from requests; shared by the middlewares of all frameworks."""
