"""A real SMTP server in this process, which answers as it is told to and keeps what it took."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

OK = "250 taken"


@dataclass
class PostOffice:
    """``answers`` are given to messages in their order, then OK; ``before`` runs before each."""

    options: dict[str, Any] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    taken: list[tuple[str, EmailMessage]] = field(default_factory=list)
    seen: list[EmailMessage] = field(default_factory=list)
    before: Callable[[], Awaitable[None]] | None = None
    port: int = 0
    _server: asyncio.Server | None = None

    async def handle_DATA(self, *given: Any) -> str:  # noqa: N802 - aiosmtpd's name
        _server, _session, envelope = given
        message: Any = message_from_bytes(envelope.content, policy=POLICY)
        self.seen.append(message)
        if self.before is not None:
            await self.before()
        answer = self.answers.pop(0) if self.answers else OK
        if answer == OK:
            self.taken += [(recipient, message) for recipient in envelope.rcpt_tos]
        return answer

    async def open(self) -> None:
        """Listen, on the port of before if there was one."""
        loop = asyncio.get_running_loop()

        def serve() -> SMTP:
            return SMTP(self, hostname="mail.example", loop=loop, **self.options)

        self._server = await loop.create_server(serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    @property
    def ids(self) -> list[str]:
        return [str(message["Message-ID"]) for message in self.seen]


@asynccontextmanager
async def post_office(**options: Any) -> AsyncIterator[PostOffice]:
    """Open one; ``options`` are those of ``aiosmtpd.smtp.SMTP``."""
    office = PostOffice(options)
    await office.open()
    try:
        yield office
    finally:
        await office.close()


def admits(user: str, password: str) -> Callable[..., AuthResult]:
    """Return an authenticator that lets one user in."""

    def authenticate(*given: Any) -> AuthResult:
        *_, said = given
        known = (said.login, said.password) == (user.encode(), password.encode())
        return AuthResult(success=known, handled=False)

    return authenticate


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate of 127.0.0.1 that its own file vouches for; return context and file."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example")])
    now = datetime.now(UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    file, secret = folder / "mail.pem", folder / "mail.key"
    file.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file, secret)
    return context, file
