"""How e-mail leaves a silo: the SMTP server, its security and who sends; or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from chassis import environment
from chassis.environment import LOOPBACK, Environment, one_of

_SENDER = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,190}")
_SECURITY = one_of("starttls", "tls", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """``user`` may be empty: then nobody logs in. ``ca_file`` is one's own authority, if any."""

    server: str  # host:port
    sender: str
    security: str = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""

    @property
    def host(self) -> str:
        return self.server.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.server.rpartition(":")[2])

    @property
    def domain(self) -> str:
        """Return where the sender is at home: half of what names a message for ever."""
        return self.sender.rpartition("@")[2]


def read(env: Environment) -> MailSettings | None:
    """Read ``MEDPORT_SMTP_*``; None while ``MEDPORT_SMTP_SERVER`` is not set."""
    server = env.read("MEDPORT_SMTP_SERVER", _optional_address, "", "off")
    if not server:
        return None
    settings = MailSettings(
        server=server,
        sender=env.read("MEDPORT_SMTP_FROM", _sender, ""),
        security=env.read("MEDPORT_SMTP_SECURITY", _SECURITY, "", "starttls"),
        user=env.read("MEDPORT_SMTP_USER", str, "", ""),
        password=env.read("MEDPORT_SMTP_PASSWORD_FILE", _optional_secret, "", ""),
        ca_file=env.read("MEDPORT_SMTP_CA_FILE", _optional_file, "", ""),
    )
    if settings.security == "off" and settings.host not in LOOPBACK:
        env.refuse("MEDPORT_SMTP_SECURITY: off is for a server on this machine")
    if bool(settings.user) is not bool(settings.password):
        env.refuse("MEDPORT_SMTP_USER: goes with MEDPORT_SMTP_PASSWORD_FILE")
    return settings


def _optional_address(text: str) -> str:
    return "" if text == "off" else environment.address(text)


def _sender(text: str) -> str:
    if not _SENDER.fullmatch(text):
        raise ValueError(f"{text!r} is not an address such as medport@hospital.example")
    return text


def _optional_secret(text: str) -> str:
    return environment.secret(text) if text else ""


def _optional_file(text: str) -> str:
    return str(environment.file(text)) if text else ""
