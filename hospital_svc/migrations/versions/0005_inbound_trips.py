"""Let a hospital see the trips that lead to it, whichever hospital asked for them.

A tenant's rows are seen by transactions that name the tenant, and by nobody else (decision 10).
The owner, as whom the service cannot log in, now also sees those that lead to the tenant that is
named; the function that it lends to the service shows them without what identifies the patient.
"""

from __future__ import annotations

from chassis import migrations

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    migrations.run(UPGRADE.replace("{service_role}", migrations.service_role()))


def downgrade() -> None:
    migrations.run(DOWNGRADE)


UPGRADE = """
CREATE INDEX transport_request_arrivals
  ON transport_request (destination_hospital_id, requested_at DESC, id DESC);

CREATE POLICY inbound ON transport_request FOR SELECT TO CURRENT_USER
  USING (destination_hospital_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);

-- The trips that lead to a hospital, the newest first, behind a place in that order.
CREATE FUNCTION inbound_trips(destination uuid, any_of text[], facility uuid,
                              after_at timestamptz, after_id uuid, most bigint)
RETURNS SETOF transport_request
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT shown.* FROM (
    SELECT t FROM transport_request t
     WHERE t.destination_hospital_id = destination AND t.status = ANY (any_of)
       AND (facility IS NULL OR t.destination_facility_id = facility)
       AND (after_at IS NULL OR (t.requested_at, t.id) < (after_at, after_id))
     ORDER BY t.requested_at DESC, t.id DESC LIMIT most) page,
    LATERAL jsonb_populate_record(page.t, '{"patient_id": null, "special_requirements": null,
      "origin_detail": null, "destination_detail": null, "cancellation_note": null}') shown
   ORDER BY shown.requested_at DESC, shown.id DESC
$$;

REVOKE EXECUTE ON FUNCTION inbound_trips FROM PUBLIC;
GRANT EXECUTE ON FUNCTION inbound_trips TO {service_role};
"""

DOWNGRADE = """
DROP FUNCTION inbound_trips;
DROP POLICY inbound ON transport_request;
DROP INDEX transport_request_arrivals;
"""
