"""An agency setting what it charges."""

from __future__ import annotations

from typing import Any

from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import agencies_pb2 as pb

from tests.support.ems_silo import Agency


def set_rate(agency: Agency, base: Any, per_mile: Any, etag: str = "") -> Any:
    """Set what it charges for ALS."""
    rate = pb.AgencyRate(
        transport_level=words.TRANSPORT_LEVEL_ALS, base_amount=base, per_mile_amount=per_mile
    )
    request = pb.SetAgencyRateRequest(agency_rate=rate, etag=etag, **agency.own)
    return agency.silo.agencies.SetAgencyRate(request, metadata=agency.admin)


def usd(units: int, cents: int = 0) -> Any:
    return {"currency_code": "USD", "units": units, "nanos": cents * 10_000_000}
