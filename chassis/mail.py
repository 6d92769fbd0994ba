"""Hands e-mail to an SMTP server (RFC 5321), and says what became of each message."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage

import aiosmtplib

from chassis.mail_settings import MailSettings
from chassis.notification_texts import DeliveryOutcome

TIMEOUT_SECONDS = 10.0  # of each answer that the server owes
_PERMANENT = range(500, 600)
# RFC 4954: the server wants another login of us. That is ours to mend, and says nothing about
# the message.
_OURS = frozenset({530, 534, 535, 538})


class Unreachable(Exception):
    """No server answered, or none that lets us in; ``smtp_code`` if it said so."""

    def __init__(self, smtp_code: int | None) -> None:
        super().__init__(f"code {smtp_code}")
        self.smtp_code = smtp_code


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one message; the server's words are not kept, they quote addresses."""

    outcome: DeliveryOutcome
    smtp_code: int | None = None

    @property
    def is_unreachable(self) -> bool:
        return self.outcome is DeliveryOutcome.UNREACHABLE


class Session:
    """One connection to the server, for one message after another."""

    def __init__(self, client: aiosmtplib.SMTP, sender: str) -> None:
        self._client = client
        self._sender = sender

    async def send(self, message: EmailMessage, recipient: str) -> Delivery:
        try:
            await self._client.send_message(message, sender=self._sender, recipients=[recipient])
        except aiosmtplib.SMTPRecipientsRefused as refused:
            return _refused(refused.recipients[0].code)
        except aiosmtplib.SMTPResponseException as refused:
            return _refused(refused.code)
        except (aiosmtplib.SMTPException, OSError):
            return Delivery(DeliveryOutcome.UNREACHABLE)
        return Delivery(DeliveryOutcome.SENT, 250)

    @property
    def is_open(self) -> bool:
        return self._client.is_connected


class Mail:
    """The way to one SMTP server."""

    def __init__(self, settings: MailSettings) -> None:
        """Raise OSError for an authority's file that cannot be read."""
        self.settings = settings
        self._tls = ssl.create_default_context(cafile=settings.ca_file or None)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Connect, secure the connection and log in; raises Unreachable."""
        client = self._client()
        try:
            await client.connect()
        except aiosmtplib.SMTPResponseException as refused:
            client.close()
            raise Unreachable(refused.code) from None
        except (aiosmtplib.SMTPException, OSError):
            client.close()
            raise Unreachable(None) from None
        try:
            yield Session(client, self.settings.sender)
        finally:
            client.close()

    def _client(self) -> aiosmtplib.SMTP:
        wanted = self.settings
        return aiosmtplib.SMTP(
            hostname=wanted.host,
            port=wanted.port,
            username=wanted.user or None,
            password=wanted.password or None,
            local_hostname=wanted.domain,  # the default asks the DNS, and waits for it
            timeout=TIMEOUT_SECONDS,
            use_tls=wanted.security == "tls",
            start_tls=wanted.security == "starttls",
            tls_context=None if wanted.security == "off" else self._tls,
        )


def _refused(code: int) -> Delivery:
    is_final = code in _PERMANENT and code not in _OURS
    return Delivery(DeliveryOutcome.REFUSED if is_final else DeliveryOutcome.DEFERRED, code)
