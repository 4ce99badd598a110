"""Orgtrail's two contracts (the Avro schema and the ClickHouse tables), and the catalogue.

Every other folder imports this one. This one imports none of them.
"""
