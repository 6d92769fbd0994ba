"""What the center's tables share: one catalogue."""

from __future__ import annotations

from sqlalchemy import MetaData

metadata = MetaData()
