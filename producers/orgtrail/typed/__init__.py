"""Typed functions, one per event: their shared code, and the generator of their module."""
