"""What users are told of, and in which words: occasions, default texts, placeholders.

A text speaks of nothing but its occasion's variables, of which none is about a patient: so no
notification can hold what only the hospital may know, whatever an operator writes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

# A notification leaves the silo that knows the patient: these never go with it.
PHI = (
    "patient_id",
    "special_requirements",
    "origin_detail",
    "destination_detail",
    "cancellation_note",
)
_PLACEHOLDER = re.compile(r"\{\{([a-z][a-z0-9_]*)\}\}")


class Channel(StrEnum):
    IN_APP = "IN_APP"
    EMAIL = "EMAIL"
    SMS = "SMS"


class DeliveryOutcome(StrEnum):
    """What became of one attempt to send an e-mail."""

    STARTED = "STARTED"  # and nobody knows: the process ended before it could say
    SENT = "SENT"
    DEFERRED = "DEFERRED"  # the server may take it later (4xx)
    REFUSED = "REFUSED"  # the server will not take it (5xx)
    UNREACHABLE = "UNREACHABLE"  # no server, or none that takes us


class EmailDeliveryState(StrEnum):
    """How far an e-mail has come."""

    QUEUED = "QUEUED"
    SENT = "SENT"
    FAILED = "FAILED"
    SUPPRESSED = "SUPPRESSED"


class EmailEndReason(StrEnum):
    """Why an e-mail was given up."""

    REFUSED = "REFUSED"
    TEMPLATE_MISMATCH = "TEMPLATE_MISMATCH"
    EXPIRED = "EXPIRED"
    RECIPIENT_INACTIVE = "RECIPIENT_INACTIVE"
    TEMPLATE_INACTIVE = "TEMPLATE_INACTIVE"


class VariablesDiffer(Exception):
    """A text and the values given to it do not speak of the same things."""

    def __init__(self, *, missing: Collection[str], extra: Collection[str]) -> None:
        super().__init__(f"missing {sorted(missing)}, extra {sorted(extra)}")
        self.missing = sorted(missing)
        self.extra = sorted(extra)


@dataclass(frozen=True, slots=True)
class Text:
    """What is shown or sent; ``{{name}}`` stands for the value of a variable."""

    subject: str
    content: str

    @property
    def placeholders(self) -> frozenset[str]:
        return frozenset(_PLACEHOLDER.findall(f"{self.subject}\n{self.content}"))

    def render(self, values: Mapping[str, str]) -> Text:
        """Put in the values; raises VariablesDiffer for one too few or too many.

        Values are put in as they are: one that holds braces is not a placeholder.
        """
        wanted = self.placeholders
        if wanted != values.keys():
            raise VariablesDiffer(missing=wanted - values.keys(), extra=values.keys() - wanted)
        return Text(*(_filled(each, values) for each in (self.subject, self.content)))

    def of(self, told: Mapping[str, str]) -> Text:
        """Put in what the text asks for of what is told; raises VariablesDiffer for more."""
        return self.render({name: told[name] for name in self.placeholders & told.keys()})


def has_stray_braces(text: str) -> bool:
    """Tell whether double braces stand where no placeholder is: users would read them."""
    rest = _PLACEHOLDER.sub(" ", text)
    return "{{" in rest or "}}" in rest


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


@dataclass(frozen=True, slots=True)
class Occasion:
    """Something that users are told of: what may be said about it, and what is said by default.

    It is told on the ``texts``' channels and no others; an operator's template takes the place
    of a text, or closes its channel unless the occasion needs something said: then the template
    says it, and the channel stays open.
    """

    variables: frozenset[str]
    texts: Mapping[Channel, Text]
    needs: frozenset[str]

    @property
    def is_closable(self) -> bool:
        return not self.needs


def _occasion(
    variables: str, subject: str, content: str, *channels: Channel, needs: str = ""
) -> Occasion:
    told, needed = frozenset(variables.split()), frozenset(needs.split())
    return Occasion(told, dict.fromkeys(channels, Text(subject, content)), needed)


_BOTH = (Channel.IN_APP, Channel.EMAIL)

# By template name. Whoever adds one decides what leaves the silo: names of things, never people.
OCCASIONS: Mapping[str, Occasion] = {
    "password_reset": _occasion(
        "reset_token valid_minutes",
        "Your new MedPort password",
        "Somebody asked for a new password for this address. If it was you, set one with this"
        " token within {{valid_minutes}} minutes:\n\n{{reset_token}}\n\nIf it was not you, do"
        " nothing: your password stays as it is.",
        Channel.EMAIL,
        needs="reset_token",  # whoever forgot a password could not log in again
    ),
    "break_glass_granted": _occasion(
        "trip_number granted_until",
        "Emergency access to trip {{trip_number}}",
        "The transport center was given access to the patient's details of trip {{trip_number}}"
        " until {{granted_until}}. Every reading is in your audit log.",
        *_BOTH,
    ),
    "sla_breached": _occasion(
        "trip_number sla_kind due_time",
        "Trip {{trip_number}} is late",
        "Trip {{trip_number}} missed the service level {{sla_kind}}, which was due at"
        " {{due_time}}.",
        *_BOTH,
    ),
    "trip_accepted": _occasion(
        "trip_number agency_name",
        "Trip {{trip_number}} is accepted",
        "{{agency_name}} confirmed your award of trip {{trip_number}}.",
        Channel.IN_APP,
    ),
    "trip_reopened": _occasion(
        "trip_number agency_name",
        "Trip {{trip_number}} is open again",
        "{{agency_name}} does not carry out trip {{trip_number}}. It is offered again.",
        *_BOTH,
    ),
    "trip_expired": _occasion(
        "trip_number",
        "Nobody took trip {{trip_number}}",
        "The offer of trip {{trip_number}} is over, and it was awarded to nobody. If the patient"
        " still has to travel, ask for the transport again.",
        *_BOTH,
    ),
    "trip_conflict": _occasion(
        "trip_number conflict_kind",
        "Trip {{trip_number}} needs a look",
        "What the agency reports of trip {{trip_number}} does not fit what the hospital decided:"
        " {{conflict_kind}}. Hospital and agency have to agree where the patient is.",
        *_BOTH,
    ),
    "trip_incident": _occasion(
        "transport_request_id conflict_kind",
        "A hospital and an agency disagree about a trip",
        "What the agency reports of trip {{transport_request_id}} does not fit what the hospital"
        " decided: {{conflict_kind}}. The audit log names both: look for TripConflictDetected.",
        *_BOTH,
    ),
    "trip_awarded": _occasion(
        "trip_number",
        "Trip {{trip_number}} is yours",
        "Trip {{trip_number}} was awarded to your agency.",
        *_BOTH,
    ),
    "trip_changed": _occasion(
        "trip_number",
        "Trip {{trip_number}} has changed",
        "The hospital changed what trip {{trip_number}} needs, or where it leads. Look at it and"
        " accept the change: until then your unit cannot report its arrival.",
        *_BOTH,
    ),
    "trip_withdrawn": _occasion(
        "trip_number",
        "Trip {{trip_number}} was taken back",
        "Trip {{trip_number}} is not your agency's any more.",
        *_BOTH,
    ),
}
