"""The two contracts of Orgtrail, Avro on the wire and the table at rest, and the catalogue.

Every other folder imports this one; it imports none of them.
"""
