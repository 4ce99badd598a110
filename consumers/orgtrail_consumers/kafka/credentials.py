"""Faust's credentials for Kafka."""

from __future__ import annotations

import ssl
from typing import Any

import faust

from orgtrail_consumers.settings import ConsumerSettings


def credentials(settings: ConsumerSettings) -> Any:
    """TLS and SASL as the settings say; ``None`` for a plain connection."""
    protocol = settings.kafka_security_protocol
    if protocol == "PLAINTEXT":
        return None
    context = (
        ssl.create_default_context(cafile=settings.kafka_ca_file) if "SSL" in protocol else None
    )
    if protocol == "SSL":
        return faust.SSLCredentials(context)
    password = settings.kafka_sasl_password
    return faust.SASLCredentials(
        username=settings.kafka_sasl_username,
        password=None if password is None else password.get_secret_value(),
        mechanism=settings.kafka_sasl_mechanism,
        ssl_context=context,
    )
