"""Delivers events to Kafka: ``emit`` appends them to a local journal, and a thread sends them.

The path of an event: ``journal`` writes it as a frame (``frames``) to a segment file
(``segments``) in this process's lane (``lane``), its folder in the spool. ``sender`` reads the
frames back through a ``queue``, passes them to ``kafka``, and deletes them after Kafka has
acknowledged them. ``engine`` owns all of these for one process.
"""
