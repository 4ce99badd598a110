"""The Kafka credentials in the form that Faust expects."""

from __future__ import annotations

import ssl
from typing import Any

import faust

from orgtrail_consumers.settings import ConsumerSettings


def credentials(settings: ConsumerSettings) -> Any:
    """The TLS and SASL credentials from the settings; ``None`` for a plaintext connection."""
    protocol = settings.kafka_security_protocol
    if protocol == "PLAINTEXT":
        return None
    context = _tls(settings) if "SSL" in protocol else None
    if protocol == "SSL":
        return faust.SSLCredentials(context)
    password = settings.kafka_sasl_password
    return faust.SASLCredentials(
        username=settings.kafka_sasl_username,
        password=None if password is None else password.reveal(),
        mechanism=settings.kafka_sasl_mechanism,
        ssl_context=context,
    )


def _tls(settings: ConsumerSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.kafka_ca_file)
    if settings.kafka_certificate_file is not None:
        context.load_cert_chain(settings.kafka_certificate_file, settings.kafka_key_file)
    return context
