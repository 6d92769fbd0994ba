"""The tables of notifications, which every silo has: what users are told, and how it was sent."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Index, MetaData, SmallInteger, Table, text

from chassis.notification_texts import Channel, DeliveryOutcome
from chassis.schema import NOW, column, jsonb, names, one_of, text_column


def notifications(metadata: MetaData, tenant: str | None) -> None:
    """Add them to ``metadata``; ``tenant`` is the silo's tenant column, or None in Center."""
    key = [] if tenant is None else [tenant]
    once = ("recipient_user_id", "template_name", "channel", "source_event_id")
    Table(
        "notification",
        metadata,
        *(column(each, primary_key=True) for each in key),
        column("id", primary_key=True),
        column("recipient_user_id"),
        column("template_name"),
        one_of("channel", names(Channel)),
        jsonb("variables"),
        column("source_event_id"),
        one_of("state", ("QUEUED", "SENT", "READ", "FAILED", "SUPPRESSED"), default="QUEUED"),
        column("attempts", default="0"),
        column("next_attempt_at", optional=True),
        column("sent_at", optional=True),
        column("read_at", optional=True),
        text_column("last_error", 500, optional=True),
        column("created_at", default=NOW),
        column("expires_at", optional=True),
        Index("notification_once", *key, *once, unique=True),
        Index("notification_recipient", *key, "recipient_user_id", "id"),
        Index("notification_due", "next_attempt_at", postgresql_where=text("state = 'QUEUED'")),
    )
    # What became of each attempt to send one; neither the address nor the text.
    Table(
        "notification_delivery",
        metadata,
        *(column(each, primary_key=True) for each in key),
        column("notification_id", primary_key=True),
        column("sequence", primary_key=True),
        column("attempted_at"),
        one_of("outcome", names(DeliveryOutcome)),
        Column("smtp_code", SmallInteger),
        ForeignKeyConstraint(
            [*key, "notification_id"], [f"notification.{each}" for each in (*key, "id")]
        ),
    )
