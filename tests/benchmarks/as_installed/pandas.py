"""Stands for a package that a production installation does not have (deploy/production.lock).

pyarrow imports it if it is there: 0.7 s and 50 MB that the consumer has no use for.
"""

raise ImportError("as installed in production")
