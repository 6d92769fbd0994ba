"""A process starts with settings that are right, or says in one line each what is wrong."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from psycopg.conninfo import conninfo_to_dict

from chassis import settings
from chassis.environment import BadSettings, replicas

EXAMPLES = "14d, 36h, 90m or 30s"
SECRET = "of-the-service"  # noqa: S105 - of a test


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files = {
        "identity": pem,
        "peers": json.dumps({"ems": base64.b64encode(bytes(range(32))).decode()}).encode(),
        "kek": bytes(range(100, 132)),
        "password": f"{SECRET}\n".encode(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return {
        "MEDPORT_LISTEN": "127.0.0.1:50051",
        "MEDPORT_DATABASE_URL": "postgresql://hospital_service@127.0.0.1:5432/hospital",
        "MEDPORT_DATABASE_PASSWORD_FILE": str(tmp_path / "password"),
        "MEDPORT_PEERS": "ems=127.0.0.1:50052,center=127.0.0.1:50053",
        "MEDPORT_IDENTITY_KEY_FILE": str(tmp_path / "identity"),
        "MEDPORT_PEER_KEYS_FILE": str(tmp_path / "peers"),
        "MEDPORT_KEY_ENCRYPTION_KEY_FILE": str(tmp_path / "kek"),
    }


def test_the_environment_becomes_settings(environ: dict[str, str]) -> None:
    read = settings.silo(environ)

    assert read.peers == {"ems": "127.0.0.1:50052", "center": "127.0.0.1:50053"}
    assert conninfo_to_dict(read.database)["password"] == SECRET
    assert read.peer_keys == {"ems": bytes(range(32))}
    assert (read.reflection, read.log_level) == ("token", "INFO")


def test_a_silo_may_have_several_replicas_each_with_an_address() -> None:
    assert replicas("ems=10.0.0.1:1,hospital=h:2,ems=10.0.0.2:1") == {
        "ems": ("10.0.0.1:1", "10.0.0.2:1"),
        "hospital": ("h:2",),
    }
    assert replicas("ems=[::1]:1,ems=[::2]:1") == {"ems": ("[::1]:1", "[::2]:1")}
    for wrong in (
        "ems=10.0.0.1:1,ems=h:1",
        "ems=10.0.0.1:1,ems=[::1]:1",
        "ems=h:1,ems=h:1",
        "=h:1",
    ):
        with pytest.raises(ValueError, match=r"NAME=HOST:PORT|are not all"):
            replicas(wrong)


def test_the_admin_port_is_on_loopback_or_nowhere(environ: dict[str, str]) -> None:
    assert settings.silo(environ).admin == ""
    asked = {**environ, "MEDPORT_ADMIN_LISTEN": "127.0.0.1:50073"}
    assert settings.silo(asked).admin == "127.0.0.1:50073"
    with pytest.raises(BadSettings, match="is not on loopback"):
        settings.silo({**environ, "MEDPORT_ADMIN_LISTEN": "0.0.0.0:50073"})


def test_metrics_are_shown_to_nobody_unless_asked_for(environ: dict[str, str]) -> None:
    assert settings.silo(environ).metrics == ""
    asked = {**environ, "MEDPORT_METRICS_LISTEN": "127.0.0.1:9464"}
    assert settings.silo(asked).metrics == "127.0.0.1:9464"


def test_the_event_log_is_kept_for_two_weeks_and_a_month_unless_told_otherwise(
    environ: dict[str, str],
) -> None:
    read = settings.silo(environ).retention
    assert (read.keep, read.hard_cap) == (timedelta(days=14), timedelta(days=30))

    environ |= {"MEDPORT_EVENT_LOG_KEEP": "90m", "MEDPORT_EVENT_LOG_HARD_CAP": "36h"}
    read = settings.silo(environ).retention
    assert (read.keep, read.hard_cap) == (timedelta(minutes=90), timedelta(hours=36))


def test_the_hard_cap_may_not_come_before_the_retention(environ: dict[str, str]) -> None:
    equal = settings.silo({**environ, "MEDPORT_EVENT_LOG_KEEP": "30d"}).retention
    assert equal.keep == equal.hard_cap

    with pytest.raises(BadSettings) as bad:
        settings.silo({**environ, "MEDPORT_EVENT_LOG_KEEP": "31d"})
    assert bad.value.mistakes == [
        "MEDPORT_EVENT_LOG_HARD_CAP: is shorter than MEDPORT_EVENT_LOG_KEEP"
    ]


def test_no_e_mail_leaves_unless_a_server_is_named(environ: dict[str, str]) -> None:
    assert settings.silo(environ).mail is None

    environ |= {
        "MEDPORT_SMTP_SERVER": "mail.example:587",
        "MEDPORT_SMTP_FROM": "medport@mercy.example",
        "MEDPORT_SMTP_USER": "medport",
        "MEDPORT_SMTP_PASSWORD_FILE": environ["MEDPORT_DATABASE_PASSWORD_FILE"],
    }
    read = settings.silo(environ).mail
    assert read is not None
    assert (read.host, read.port, read.security) == ("mail.example", 587, "starttls")
    assert (read.domain, read.password) == ("mercy.example", SECRET)
    assert SECRET not in repr(read)


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        ({"MEDPORT_SMTP_FROM": ""}, "MEDPORT_SMTP_FROM is not set"),
        (
            {"MEDPORT_SMTP_FROM": "me"},
            "MEDPORT_SMTP_FROM: 'me' is not an address such as medport@hospital.example",
        ),
        (
            {"MEDPORT_SMTP_SECURITY": "off"},
            "MEDPORT_SMTP_SECURITY: off is for a server on this machine",
        ),
        (
            {"MEDPORT_SMTP_USER": "medport"},
            "MEDPORT_SMTP_USER: goes with MEDPORT_SMTP_PASSWORD_FILE",
        ),
    ],
)
def test_a_mail_server_is_reached_safely_or_not_at_all(
    environ: dict[str, str], changes: dict[str, str], mistake: str
) -> None:
    environ |= {"MEDPORT_SMTP_SERVER": "mail.example:587", "MEDPORT_SMTP_FROM": "a@b.example"}
    with pytest.raises(BadSettings) as bad:
        settings.silo({**environ, **changes})
    assert bad.value.mistakes == [mistake]


def test_secrets_are_never_printed(environ: dict[str, str]) -> None:
    read = settings.silo(environ)

    for printed in (repr(read), str(settings.redacted(read))):
        assert SECRET not in printed
        assert "PRIVATE KEY" not in printed


def test_an_empty_environment_names_every_variable_at_once() -> None:
    with pytest.raises(BadSettings) as bad:
        settings.silo({})

    assert bad.value.mistakes == [
        f"{name} is not set"
        for name in (
            "MEDPORT_LISTEN",
            "MEDPORT_DATABASE_URL",
            "MEDPORT_DATABASE_PASSWORD_FILE",
            "MEDPORT_IDENTITY_KEY_FILE",
            "MEDPORT_PEER_KEYS_FILE",
            "MEDPORT_KEY_ENCRYPTION_KEY_FILE",
        )
    ]


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("MEDPORT_LISTEN", "127.0.0.1", "'127.0.0.1' is not HOST:PORT"),
        ("MEDPORT_LISTEN", "127.0.0.1:65536", "'127.0.0.1:65536' is not HOST:PORT"),
        ("MEDPORT_PEERS", "ems", "'ems' is not NAME=HOST:PORT, each name once"),
        ("MEDPORT_PEERS", "a=h:1,a=h:2", "'a=h:2' is not NAME=HOST:PORT, each name once"),
        ("MEDPORT_REFLECTION", "yes", "'yes' is not one of open, token, off"),
        ("MEDPORT_DATABASE_URL", "host", "is not a PostgreSQL DSN"),
        (
            "MEDPORT_DATABASE_URL",
            "postgresql://u:p4ss@127.0.0.1/d",
            "holds a password: put it into a file",
        ),
        (
            "MEDPORT_DATABASE_URL",
            "postgresql://u@db.example/d",
            "names another host and no sslmode: use verify-full",
        ),
        ("MEDPORT_DATABASE_PASSWORD_FILE", "/nowhere", "/nowhere: No such file or directory"),
        *(
            ("MEDPORT_EVENT_LOG_KEEP", text, f"{text!r} is not a duration such as {EXAMPLES}")
            for text in ("14", "0d", "-1d", "1.5d", "14 days", "1w", "9999999s")
        ),
        ("MEDPORT_EVENT_LOG_HARD_CAP", "13d", "is shorter than MEDPORT_EVENT_LOG_KEEP"),
    ],
)
def test_a_wrong_value_is_one_line(
    environ: dict[str, str], name: str, value: str, complaint: str
) -> None:
    with pytest.raises(BadSettings) as bad:
        settings.silo({**environ, name: value})

    assert bad.value.mistakes == [f"{name}: {complaint}"]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("MEDPORT_KEY_ENCRYPTION_KEY_FILE", b"short", "holds fewer than 32 bytes"),
        ("MEDPORT_KEY_ENCRYPTION_KEY_FILE", b"changeme" * 4, "holds a sample, not a key"),
        ("MEDPORT_IDENTITY_KEY_FILE", b"not a key", "holds no PEM private key"),
        ("MEDPORT_PEER_KEYS_FILE", b"[]", "is not a JSON object of base64 keys"),
        ("MEDPORT_PEER_KEYS_FILE", b'{"ems": "AAAA"}', ": the key of ems has not 32 bytes"),
        ("MEDPORT_DATABASE_PASSWORD_FILE", b"\n", "is empty"),
    ],
)
def test_a_bad_secret_stops_the_start(
    environ: dict[str, str], tmp_path: Path, name: str, content: bytes, complaint: str
) -> None:
    path = tmp_path / "bad"
    path.write_bytes(content)

    with pytest.raises(BadSettings) as bad:
        settings.silo({**environ, name: str(path)})

    assert len(bad.value.mistakes) == 1
    assert bad.value.mistakes[0].endswith(complaint)


def test_a_start_with_mistakes_prints_them_and_exits_with_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        settings.or_exit(lambda: settings.router({"MEDPORT_LISTEN": "x"}))

    assert stopped.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        "MEDPORT_LISTEN: 'x' is not HOST:PORT",
        "MEDPORT_SILOS is not set",
        "MEDPORT_DESCRIPTORS is not set",
        "MEDPORT_KEY_CACHE is not set",
    ]


def test_migrations_log_in_as_the_owner(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("owners")

    read = settings.migration(
        "ems",
        {
            "MEDPORT_MIGRATION_DATABASE_URL": "postgresql://ems_owner@127.0.0.1:5433/ems",
            "MEDPORT_MIGRATION_PASSWORD_FILE": str(tmp_path / "password"),
        },
    )

    assert read.service_role == "ems_service"
    assert conninfo_to_dict(read.database)["user"] == "ems_owner"
