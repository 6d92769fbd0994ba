"""The domain's words as the silos' code and tables spell them: the contract's, without prefix.

A test compares them with ``medport/common/v1/vocabulary.proto``.
"""

from enum import StrEnum


class TransportLevel(StrEnum):
    """Level of care on board; each includes the one before it."""

    OTHER = "OTHER"
    BLS = "BLS"
    ALS = "ALS"
    CCT = "CCT"


class Priority(StrEnum):
    """How urgent a trip is; it sets the response deadline."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    URGENT = "URGENT"


class Capability(StrEnum):
    """Equipment or precaution that a trip needs and a unit has."""

    OXYGEN = "OXYGEN"
    CARDIAC_MONITOR = "CARDIAC_MONITOR"
    INFUSION_PUMP = "INFUSION_PUMP"
    VENTILATOR = "VENTILATOR"
    NEONATAL_ISOLETTE = "NEONATAL_ISOLETTE"
    BARIATRIC_STRETCHER = "BARIATRIC_STRETCHER"
    WHEELCHAIR_LIFT = "WHEELCHAIR_LIFT"
    ISOLATION = "ISOLATION"


class AgeBand(StrEnum):
    """Age of the patient, as coarsely as planning allows."""

    NEONATE = "NEONATE"
    INFANT = "INFANT"
    CHILD = "CHILD"
    ADULT = "ADULT"
    SENIOR = "SENIOR"


class WeightBand(StrEnum):
    """Weight of the patient, as coarsely as planning allows."""

    UNDER_300_LB = "UNDER_300_LB"
    FROM_300_TO_500_LB = "FROM_300_TO_500_LB"
    OVER_500_LB = "OVER_500_LB"


class TripStatus(StrEnum):
    """How far a trip has come; the hospital silo decides."""

    PENDING = "PENDING"
    AWARDED = "AWARDED"
    ACCEPTED = "ACCEPTED"
    EN_ROUTE = "EN_ROUTE"
    AT_PICKUP = "AT_PICKUP"
    IN_TRANSIT = "IN_TRANSIT"
    AT_DESTINATION = "AT_DESTINATION"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


class TripLeg(StrEnum):
    """Whether the trip leads away from the asking hospital or back to it."""

    OUTBOUND = "OUTBOUND"
    RETURN = "RETURN"


class OfferMode(StrEnum):
    """Who is offered a trip, and when."""

    BROADCAST = "BROADCAST"
    PREFERRED = "PREFERRED"
    CASCADE = "CASCADE"


class BidStatus(StrEnum):
    """How far a bid has come; the EMS silo decides."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"
    RELEASED = "RELEASED"


class JobStatus(StrEnum):
    """How far an agency's job has come; the EMS silo decides."""

    ACCEPTED = "ACCEPTED"
    EN_ROUTE = "EN_ROUTE"
    AT_PICKUP = "AT_PICKUP"
    IN_TRANSIT = "IN_TRANSIT"
    AT_DESTINATION = "AT_DESTINATION"
    COMPLETED = "COMPLETED"
    DROPPED = "DROPPED"
    CANCELLED = "CANCELLED"
    REVOKED = "REVOKED"


class UnitStatus(StrEnum):
    """What a unit is doing."""

    AVAILABLE = "AVAILABLE"
    RESERVED = "RESERVED"
    EN_ROUTE = "EN_ROUTE"
    AT_PICKUP = "AT_PICKUP"
    TRANSPORTING = "TRANSPORTING"
    AT_DESTINATION = "AT_DESTINATION"
    ON_BREAK = "ON_BREAK"
    OFF_DUTY = "OFF_DUTY"
    OUT_OF_SERVICE = "OUT_OF_SERVICE"
    MAINTENANCE = "MAINTENANCE"


class UnitType(StrEnum):
    """What a vehicle is built for."""

    WHEELCHAIR = "WHEELCHAIR"
    MEDICAL_TAXI = "MEDICAL_TAXI"
    BLS = "BLS"
    ALS = "ALS"
    CCT = "CCT"


class RegistryStatus(StrEnum):
    """Standing of a hospital or agency in the mesh; Center decides."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    RETIRED = "RETIRED"


class ServiceType(StrEnum):
    """What a registered organisation is."""

    HOSPITAL = "HOSPITAL"
    EMS_AGENCY = "EMS_AGENCY"


class FacilityType(StrEnum):
    """Kind of a facility."""

    ACUTE_CARE = "ACUTE_CARE"
    CRITICAL_ACCESS = "CRITICAL_ACCESS"
    PEDIATRIC = "PEDIATRIC"
    FREESTANDING_ED = "FREESTANDING_ED"
    BEHAVIORAL = "BEHAVIORAL"
    REHABILITATION = "REHABILITATION"
    LONG_TERM_CARE = "LONG_TERM_CARE"
    CLINIC = "CLINIC"


class CareCapability(StrEnum):
    """Care that a facility gives."""

    EMERGENCY = "EMERGENCY"
    ICU = "ICU"
    STROKE = "STROKE"
    PCI = "PCI"
    TRAUMA = "TRAUMA"
    CARDIAC_SURGERY = "CARDIAC_SURGERY"
    NEUROSURGERY = "NEUROSURGERY"
    TRANSPLANT = "TRANSPLANT"
    PEDIATRIC = "PEDIATRIC"
    NICU = "NICU"
    OBSTETRICS = "OBSTETRICS"
    BEHAVIORAL = "BEHAVIORAL"
    DIALYSIS = "DIALYSIS"


class CancellationReason(StrEnum):
    """Why a trip was called off."""

    PATIENT_CONDITION_CHANGED = "PATIENT_CONDITION_CHANGED"
    NO_LONGER_NEEDED = "NO_LONGER_NEEDED"
    DESTINATION_DECLINED = "DESTINATION_DECLINED"
    PATIENT_REFUSED = "PATIENT_REFUSED"
    DUPLICATE = "DUPLICATE"
    HANDLED_ELSEWHERE = "HANDLED_ELSEWHERE"
    ENTERED_IN_ERROR = "ENTERED_IN_ERROR"
    OTHER = "OTHER"


class CancellationIntent(StrEnum):
    """What shall become of a trip when EMS lets it go."""

    CANCEL = "CANCEL"
    REOPEN = "REOPEN"


class ActorKind(StrEnum):
    """Who acted."""

    HOSPITAL_USER = "HOSPITAL_USER"
    EMS_USER = "EMS_USER"
    CENTER_USER = "CENTER_USER"
    SYSTEM = "SYSTEM"


class Silo(StrEnum):
    """One of the three silos."""

    HOSPITAL = "HOSPITAL"
    EMS = "EMS"
    CENTER = "CENTER"


class AuditOutcome(StrEnum):
    """Whether an audited action was let through."""

    ALLOWED = "ALLOWED"
    DENIED = "DENIED"
