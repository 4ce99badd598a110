"""Reads for administrators: a request becomes a few parameterised statements, and their answer."""
