"""Every table of the EMS database. The agency's id leads each primary key."""

from ems_svc.tables.agencies import agency_rate, ems_agency, ems_agency_user, service_area
from ems_svc.tables.shared import (
    EXEMPT_FROM_ROW_SECURITY,
    TENANT,
    changed_values,
    metadata,
    new_values,
    stored,
)
from ems_svc.tables.trips import assignment, available_trip, offered_trip, transport_bid
from ems_svc.tables.units import (
    ems_route,
    ems_route_stop,
    unit,
    unit_availability,
    unit_location,
    unit_location_history,
)

__all__ = [
    "EXEMPT_FROM_ROW_SECURITY",
    "TENANT",
    "agency_rate",
    "assignment",
    "available_trip",
    "changed_values",
    "ems_agency",
    "ems_agency_user",
    "ems_route",
    "ems_route_stop",
    "metadata",
    "new_values",
    "offered_trip",
    "service_area",
    "stored",
    "transport_bid",
    "unit",
    "unit_availability",
    "unit_location",
    "unit_location_history",
]
