"""What a hospital's rules turn down; each ``reason`` stands in the contract's ErrorReason."""

from chassis.errors import AlreadyExists, FailedPrecondition


class NotPending(FailedPrecondition):
    reason = "NOT_PENDING"


class BidNotLive(FailedPrecondition):
    reason = "BID_NOT_LIVE"


class AgencyNotActive(FailedPrecondition):
    reason = "AGENCY_NOT_ACTIVE"


class HospitalNotActive(FailedPrecondition):
    reason = "HOSPITAL_NOT_ACTIVE"


class FacilityInactive(FailedPrecondition):
    reason = "FACILITY_INACTIVE"


class TripAlreadyLive(AlreadyExists):
    reason = "TRIP_ALREADY_LIVE"


class PatientAboard(FailedPrecondition):
    reason = "PATIENT_ABOARD"


class TripEnded(FailedPrecondition):
    reason = "TRIP_ENDED"


class NotAwarded(FailedPrecondition):
    reason = "NOT_AWARDED"


class ConfirmationOutstanding(FailedPrecondition):
    reason = "CONFIRMATION_OUTSTANDING"


class CancellationOutstanding(FailedPrecondition):
    reason = "CANCELLATION_OUTSTANDING"


class FacilityExists(AlreadyExists):
    reason = "FACILITY_EXISTS"


class FacilityInUse(FailedPrecondition):
    reason = "FACILITY_IN_USE"


class NotOutbound(FailedPrecondition):
    reason = "NOT_OUTBOUND"


class PatientPurged(FailedPrecondition):
    reason = "PATIENT_PURGED"


class UnitArrived(FailedPrecondition):
    reason = "UNIT_ARRIVED"


class AlreadyReceived(FailedPrecondition):
    reason = "ALREADY_RECEIVED"


class NotPickedUp(FailedPrecondition):
    reason = "NOT_PICKED_UP"


class BreakGlassNeeded(FailedPrecondition):
    reason = "BREAK_GLASS_NEEDED"


class PreferencesChanged(FailedPrecondition):
    reason = "PREFERENCES_CHANGED"


class PreferenceExists(AlreadyExists):
    reason = "PREFERENCE_EXISTS"
