"""Faust's credentials for Kafka: TLS, a client certificate, SASL, OAuth."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import faust
from aiokafka.abc import AbstractTokenProvider

from orgtrail_consumers.settings import ConsumerSettings

_TIMEOUT_S = 10
_RENEW_BEFORE_S = 30


def credentials(settings: ConsumerSettings) -> Any:
    """TLS and SASL as the settings say; ``None`` for a plain connection."""
    protocol = settings.kafka_security_protocol
    if protocol == "PLAINTEXT":
        return None
    context = _tls(settings) if "SSL" in protocol else None
    if protocol == "SSL":
        return faust.SSLCredentials(context)
    if settings.kafka_sasl_mechanism == "OAUTHBEARER":
        return faust.OAuthCredentials(oauth_cb=TokenProvider(settings), ssl_context=context)
    password = settings.kafka_sasl_password
    return faust.SASLCredentials(
        username=settings.kafka_sasl_username,
        password=None if password is None else password.reveal(),
        mechanism=settings.kafka_sasl_mechanism,
        ssl_context=context,
    )


class TokenProvider(AbstractTokenProvider):
    """Tokens of the client-credentials grant (RFC 6749, section 4.4), renewed before they expire.

    librdkafka's clients have this built in; aiokafka asks a provider at each connection.
    """

    def __init__(self, settings: ConsumerSettings) -> None:
        self._settings = settings
        self._token = ""
        self._expires_at = 0.0

    async def token(self) -> str:
        """A token that is valid for a while.

        Raises:
            OSError, ValueError: the token endpoint does not answer, or rejects the client.
        """
        if time.monotonic() >= self._expires_at - _RENEW_BEFORE_S:
            answer = await asyncio.to_thread(self._request)
            self._token = str(answer["access_token"])
            self._expires_at = time.monotonic() + float(answer.get("expires_in", 60))
        return self._token

    def _request(self) -> dict[str, Any]:
        s = self._settings
        secret = s.kafka_sasl_password.reveal() if s.kafka_sasl_password else ""
        # RFC 6749, section 2.3.1: both are form-encoded before they are joined.
        client = ":".join(map(urllib.parse.quote_plus, (s.kafka_sasl_username or "", secret)))
        form = {"grant_type": "client_credentials"}
        if s.kafka_oauth_scope:
            form["scope"] = s.kafka_oauth_scope
        request = urllib.request.Request(  # noqa: S310 - the operator's own address
            s.kafka_oauth_token_url or "",
            urllib.parse.urlencode(form).encode(),
            {"Authorization": f"Basic {base64.b64encode(client.encode()).decode()}"},
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            document: dict[str, Any] = json.loads(answer.read(1_000_000))
        return document


class RenewedContext(ssl.SSLContext):
    """A client's TLS that reads its certificate again for each connection, as renewed ones need."""

    certificate: tuple[Path, Path | None] | None = None
    """The files of the certificate and its key; none without a client certificate."""

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Begin a connection, as asyncio does it.

        Raises:
            OSError: the certificate cannot be read.
        """
        if self.certificate is not None:
            self.load_cert_chain(*self.certificate)
        return super().wrap_bio(*args, **kwargs)


def _tls(settings: ConsumerSettings) -> ssl.SSLContext:
    context = RenewedContext(ssl.PROTOCOL_TLS_CLIENT)
    # As strict as Python's own clients are: later versions check more.
    context.verify_flags = ssl.create_default_context(cafile=settings.kafka_ca_file).verify_flags
    if settings.kafka_ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(settings.kafka_ca_file)
    if settings.kafka_certificate_file is not None:
        context.certificate = settings.kafka_certificate_file, settings.kafka_key_file
        # A wrong file is found at the start.
        context.load_cert_chain(*context.certificate)
    return context
