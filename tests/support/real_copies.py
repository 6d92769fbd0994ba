"""Rows that a silo really has and others really copy; how to damage copies, and compare them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import center_svc.snapshots
import ems_svc.snapshots
import hospital_svc.snapshots
from chassis.stream_snapshots import Snapshot
from tests.support.event_consumers import Consumer
from tests.support.event_streams import Silo
from tests.support.silo_logs import Kind

HASH = "SELECT md5(string_agg(row::text, ' ' ORDER BY row::text)) FROM {} AS row"
CURRENT = {
    "hospital": hospital_svc.snapshots.current,
    "ems": ems_svc.snapshots.current,
    "center": center_svc.snapshots.current,
}


@dataclass(frozen=True)
class Rows:
    """``made`` and ``changed`` act on the source's tables, ``damaged`` on the copies."""

    made: str
    changed: str
    damaged: str
    copies: tuple[str, ...]  # relations, ready for FROM

    def hash(self, consumer: Consumer) -> list[str]:
        return [str(consumer.one(HASH.format(each))) for each in self.copies]


SETTINGS = Rows(
    made="""
    INSERT INTO system_configuration
           (id, key, value_type, value, description, category, updated_by)
    SELECT gen_random_uuid(), key, type, value::jsonb, 'why', 'test', gen_random_uuid()
      FROM (VALUES ('a.factor', 'DECIMAL', '"1.30"'), ('a.flag', 'BOOLEAN', 'true'),
                   ('a.word', 'TEXT', '"no percent % and {}"')) AS given (key, type, value);
    INSERT INTO feature_toggle (id, feature_name, is_enabled, target_organizations,
                                rollout_percent, configuration, updated_by)
    SELECT gen_random_uuid(), name, true, ARRAY[gen_random_uuid()], 100 - 10 * length(name),
           '{"a": [1, "b", null]}', gen_random_uuid() FROM unnest(ARRAY['a', 'bb', 'ccc']) AS name;
    INSERT INTO notification_template
           (id, template_name, template_type, subject, content, variables)
    VALUES (gen_random_uuid(), 'trip', 'EMAIL', 'A trip', 'of {{trip}}', '{trip}'),
           (gen_random_uuid(), 'trip', 'SMS', NULL, 'of {{trip}}', '{trip}')
    """,
    changed="""
    UPDATE system_configuration SET value = 'false', version = version + 1 WHERE key = 'a.flag';
    UPDATE feature_toggle SET is_enabled = false, version = version + 1 WHERE feature_name = 'bb';
    UPDATE notification_template SET is_active = false, version = version + 1
     WHERE template_type = 'SMS'
    """,
    damaged="""
    DELETE FROM system_configuration_copy WHERE key = 'a.factor';
    UPDATE feature_toggle_copy SET version = version + 9, rollout_percent = 1;
    INSERT INTO feature_toggle_copy SELECT 'phantom', is_enabled, target_users,
           target_organizations, rollout_percent, configuration, version FROM feature_toggle_copy
     WHERE feature_name = 'a';
    UPDATE notification_template_copy SET template_type = 'IN_APP' WHERE template_type = 'SMS'
    """,
    copies=("system_configuration_copy", "feature_toggle_copy", "notification_template_copy"),
)
# Without who is trusted no more: that is the copying silo's to know.
PUBLIC_KEYS = "(SELECT silo, key_name, public_key, not_before_at, not_after_at FROM trusted_key)"
KEYS = Rows(
    made="""
    INSERT INTO signing_key
    SELECT name, 'EDDSA', sha256(name::bytea), '', state, '2026-01-01Z', '2100-01-01Z'
      FROM (VALUES ('one', 'RETIRED'), ('two', 'ACTIVE')) AS given (name, state)
    """,
    changed="""
    INSERT INTO signing_key
    VALUES ('three', 'EDDSA', sha256('three'), '', 'NEXT', '2026-02-01Z', '2100-01-01Z')
    """,
    damaged="""
    DELETE FROM trusted_key WHERE key_name = 'two';
    UPDATE trusted_key SET not_after_at = '2099-01-01Z' WHERE key_name = 'three';
    INSERT INTO trusted_key SELECT silo, 'phantom', algorithm, public_key, not_before_at,
           not_after_at, NULL FROM trusted_key WHERE key_name = 'one';
    UPDATE trusted_key SET revoked_at = now() WHERE key_name = 'one'
    """,
    copies=(PUBLIC_KEYS,),
)


def showing(kind: Kind) -> Snapshot:
    return Snapshot(kind.envelope, CURRENT[kind.silo])


async def announce(silo: Silo, types: list[str], known: set[tuple[str, int]]) -> int:
    """Announce each row as its snapshot shows it, if that version is not ``known``."""
    async with silo.database.begin(None) as uow:
        async for shown in CURRENT[silo.kind.silo](uow):
            if str(shown.event.DESCRIPTOR.full_name) not in types:
                continue
            version = (shown.subject, shown.subject_version)
            if version not in known:
                known.add(version)
                ((_, payload),) = shown.event.ListFields()
                uow.emit(replace(shown, event=payload))
    return len(known)
