"""From ``emit`` to Kafka: events are written down first, and sent from there by a thread.

The way of an event: ``journal`` appends its ``frames`` to a ``segments`` file of this process's
``lane``; ``sender`` reads them back through a ``queue``, hands them to ``kafka``, and forgets them
when Kafka has acknowledged them. ``engine`` holds these together for one process.
"""
