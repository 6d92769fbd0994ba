-- The center's first schema, as center_svc/tables.py stood then: frozen, never regenerated.

CREATE TABLE audit_chain (
  source_silo TEXT NOT NULL CONSTRAINT source_silo_is_valid CHECK (source_silo IN ('HOSPITAL', 'EMS', 'CENTER')),
  audit_log_id UUID,
  chain_hash BYTEA NOT NULL,
  PRIMARY KEY (source_silo)
);

CREATE TABLE audit_log (
  id UUID NOT NULL,
  source_silo TEXT NOT NULL CONSTRAINT source_silo_is_valid CHECK (source_silo IN ('HOSPITAL', 'EMS', 'CENTER')),
  organization_id UUID,
  user_id UUID,
  actor_kind TEXT NOT NULL CONSTRAINT actor_kind_is_valid CHECK (actor_kind IN ('HOSPITAL_USER', 'EMS_USER', 'CENTER_USER', 'SYSTEM')),
  action TEXT NOT NULL CONSTRAINT action_is_valid CHECK (char_length(action) BETWEEN 1 AND 100),
  entity_type TEXT NOT NULL CONSTRAINT entity_type_is_valid CHECK (char_length(entity_type) BETWEEN 1 AND 64),
  entity_id UUID,
  changes JSONB DEFAULT '{}' NOT NULL,
  outcome TEXT NOT NULL CONSTRAINT outcome_is_valid CHECK (outcome IN ('ALLOWED', 'DENIED')),
  reason TEXT CONSTRAINT reason_is_valid CHECK (char_length(reason) BETWEEN 1 AND 500),
  occurred_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT occurred_at_is_valid CHECK (occurred_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT recorded_at_is_valid CHECK (recorded_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  ip_address INET,
  request_id UUID,
  chain_hash BYTEA NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX audit_log_organization ON audit_log (organization_id, occurred_at DESC, id DESC);
CREATE INDEX audit_log_time ON audit_log (occurred_at DESC, id DESC);

CREATE TABLE bid_fact (
  agency_id UUID NOT NULL,
  bid_id UUID NOT NULL,
  hospital_id UUID NOT NULL,
  transport_request_id UUID NOT NULL,
  bid_amount NUMERIC(12, 2) CONSTRAINT bid_amount_is_valid CHECK (bid_amount >= 0 AND bid_amount <> 'NaN'),
  status TEXT NOT NULL CONSTRAINT status_is_valid CHECK (status IN ('PENDING', 'ACCEPTED', 'REJECTED', 'WITHDRAWN', 'EXPIRED', 'RELEASED')),
  submitted_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT submitted_at_is_valid CHECK (submitted_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  bid_version BIGINT NOT NULL CONSTRAINT bid_version_is_valid CHECK (bid_version >= 0),
  PRIMARY KEY (agency_id, bid_id)
);
CREATE INDEX bid_fact_trip ON bid_fact (hospital_id, transport_request_id);

CREATE TABLE center_user (
  id UUID NOT NULL,
  email TEXT NOT NULL CONSTRAINT email_is_valid CHECK (char_length(email) BETWEEN 1 AND 254),
  password_hash TEXT CONSTRAINT password_hash_is_valid CHECK (char_length(password_hash) BETWEEN 1 AND 200),
  name TEXT NOT NULL CONSTRAINT name_is_valid CHECK (char_length(name) BETWEEN 1 AND 200),
  role TEXT NOT NULL CONSTRAINT role_is_valid CHECK (role IN ('COORDINATOR', 'ADMIN')),
  permissions TEXT[] DEFAULT '{}' NOT NULL CONSTRAINT permissions_is_valid CHECK (permissions <@ ARRAY['REGISTRY_WRITE', 'CONFIGURATION_WRITE', 'TOGGLE_WRITE', 'TEMPLATE_WRITE', 'TRIP_OVERRIDE', 'BREAK_GLASS', 'AUDIT_READ']::text[]),
  is_active BOOLEAN DEFAULT true NOT NULL,
  last_login_at TIMESTAMP WITH TIME ZONE CONSTRAINT last_login_at_is_valid CHECK (last_login_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  row_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT row_version_is_valid CHECK (row_version >= 0),
  PRIMARY KEY (id)
);
CREATE UNIQUE INDEX center_user_email ON center_user (lower(email));

CREATE TABLE feature_toggle (
  id UUID NOT NULL,
  feature_name TEXT NOT NULL CONSTRAINT feature_name_is_valid CHECK (char_length(feature_name) BETWEEN 1 AND 200),
  is_enabled BOOLEAN DEFAULT false NOT NULL,
  target_users UUID[] DEFAULT '{}' NOT NULL,
  target_organizations UUID[] DEFAULT '{}' NOT NULL,
  rollout_percent SMALLINT DEFAULT 100 NOT NULL,
  configuration JSONB DEFAULT '{}' NOT NULL,
  version BIGINT DEFAULT 1 NOT NULL CONSTRAINT version_is_valid CHECK (version >= 0),
  updated_by UUID NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (id),
  CONSTRAINT feature_toggle_name UNIQUE (feature_name),
  CONSTRAINT rollout_is_valid CHECK (rollout_percent BETWEEN 0 AND 100 AND (rollout_percent < 100 OR (target_users = '{}' AND target_organizations = '{}')))
);

CREATE TABLE idempotency_key (
  principal_id UUID NOT NULL,
  method TEXT NOT NULL CONSTRAINT method_is_valid CHECK (char_length(method) BETWEEN 1 AND 200),
  request_id UUID NOT NULL,
  request_hash BYTEA NOT NULL,
  response BYTEA,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT expires_at_is_valid CHECK (expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (principal_id, method, request_id)
);
CREATE INDEX idempotency_key_expiry ON idempotency_key (expires_at);

CREATE TABLE login_email (
  email TEXT NOT NULL CONSTRAINT email_is_valid CHECK (char_length(email) BETWEEN 1 AND 254),
  user_id UUID NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (email)
);

CREATE TABLE login_throttle (
  email TEXT NOT NULL CONSTRAINT email_is_valid CHECK (char_length(email) BETWEEN 1 AND 254),
  attempts INTEGER DEFAULT 0 NOT NULL CONSTRAINT attempts_is_valid CHECK (attempts >= 0),
  window_started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT window_started_at_is_valid CHECK (window_started_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  blocked_until_at TIMESTAMP WITH TIME ZONE CONSTRAINT blocked_until_at_is_valid CHECK (blocked_until_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (email)
);

CREATE TABLE notification (
  id UUID NOT NULL,
  recipient_user_id UUID NOT NULL,
  template_name TEXT NOT NULL CONSTRAINT template_name_is_valid CHECK (char_length(template_name) BETWEEN 1 AND 200),
  channel TEXT NOT NULL CONSTRAINT channel_is_valid CHECK (channel IN ('IN_APP', 'EMAIL', 'SMS')),
  variables JSONB DEFAULT '{}' NOT NULL,
  source_event_id UUID NOT NULL,
  state TEXT DEFAULT 'QUEUED' NOT NULL CONSTRAINT state_is_valid CHECK (state IN ('QUEUED', 'SENT', 'READ', 'FAILED', 'SUPPRESSED')),
  attempts INTEGER DEFAULT 0 NOT NULL CONSTRAINT attempts_is_valid CHECK (attempts >= 0),
  next_attempt_at TIMESTAMP WITH TIME ZONE CONSTRAINT next_attempt_at_is_valid CHECK (next_attempt_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  sent_at TIMESTAMP WITH TIME ZONE CONSTRAINT sent_at_is_valid CHECK (sent_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  read_at TIMESTAMP WITH TIME ZONE CONSTRAINT read_at_is_valid CHECK (read_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  last_error TEXT CONSTRAINT last_error_is_valid CHECK (char_length(last_error) BETWEEN 1 AND 500),
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (id)
);
CREATE UNIQUE INDEX notification_once ON notification (recipient_user_id, template_name, channel, source_event_id);

CREATE TABLE notification_template (
  id UUID NOT NULL,
  template_name TEXT NOT NULL CONSTRAINT template_name_is_valid CHECK (char_length(template_name) BETWEEN 1 AND 200),
  template_type TEXT NOT NULL CONSTRAINT template_type_is_valid CHECK (template_type IN ('IN_APP', 'EMAIL', 'SMS')),
  subject TEXT CONSTRAINT subject_is_valid CHECK (char_length(subject) BETWEEN 1 AND 200),
  content TEXT NOT NULL CONSTRAINT content_is_valid CHECK (char_length(content) BETWEEN 1 AND 4000),
  variables TEXT[] DEFAULT '{}' NOT NULL,
  is_active BOOLEAN DEFAULT true NOT NULL,
  version BIGINT DEFAULT 1 NOT NULL CONSTRAINT version_is_valid CHECK (version >= 0),
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (id),
  CONSTRAINT notification_template_name UNIQUE (template_name, template_type),
  CONSTRAINT variables_hold_no_phi CHECK (NOT variables && ARRAY['patient_id', 'special_requirements', 'origin_detail', 'destination_detail', 'cancellation_note'])
);

CREATE TABLE service_registry (
  id UUID NOT NULL,
  service_name TEXT NOT NULL CONSTRAINT service_name_is_valid CHECK (char_length(service_name) BETWEEN 1 AND 200),
  service_type TEXT NOT NULL CONSTRAINT service_type_is_valid CHECK (service_type IN ('HOSPITAL', 'EMS_AGENCY')),
  status TEXT DEFAULT 'PENDING' NOT NULL CONSTRAINT status_is_valid CHECK (status IN ('PENDING', 'ACTIVE', 'SUSPENDED', 'RETIRED')),
  external_id UUID NOT NULL,
  added_by UUID NOT NULL,
  added_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT added_at_is_valid CHECK (added_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  provisioned_at TIMESTAMP WITH TIME ZONE CONSTRAINT provisioned_at_is_valid CHECK (provisioned_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  configuration JSONB DEFAULT '{}' NOT NULL,
  metadata JSONB DEFAULT '{}' NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  row_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT row_version_is_valid CHECK (row_version >= 0),
  PRIMARY KEY (id),
  CONSTRAINT service_registry_external_id UNIQUE (external_id),
  CONSTRAINT is_provisioned CHECK (status NOT IN ('ACTIVE', 'SUSPENDED') OR provisioned_at IS NOT NULL)
);
CREATE UNIQUE INDEX service_registry_name ON service_registry (service_type, lower(service_name)) WHERE status <> 'RETIRED';

CREATE TABLE signing_key (
  key_name TEXT NOT NULL CONSTRAINT key_name_is_valid CHECK (char_length(key_name) BETWEEN 1 AND 200),
  algorithm TEXT NOT NULL CONSTRAINT algorithm_is_valid CHECK (algorithm IN ('ES256', 'EDDSA')),
  public_key BYTEA NOT NULL,
  private_key_encrypted BYTEA NOT NULL,
  state TEXT NOT NULL CONSTRAINT state_is_valid CHECK (state IN ('NEXT', 'ACTIVE', 'RETIRED')),
  not_before_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT not_before_at_is_valid CHECK (not_before_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  not_after_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT not_after_at_is_valid CHECK (not_after_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (key_name)
);
CREATE UNIQUE INDEX signing_key_active ON signing_key (state) WHERE state = 'ACTIVE';

CREATE TABLE sla_timer (
  hospital_id UUID NOT NULL,
  transport_request_id UUID NOT NULL,
  kind TEXT NOT NULL CONSTRAINT kind_is_valid CHECK (kind IN ('FIRST_BID', 'AWARD_ANSWER', 'EN_ROUTE', 'ARRIVED_PICKUP', 'CANCELLATION_ANSWER')),
  due_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT due_at_is_valid CHECK (due_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  cleared_at TIMESTAMP WITH TIME ZONE CONSTRAINT cleared_at_is_valid CHECK (cleared_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  breached_at TIMESTAMP WITH TIME ZONE CONSTRAINT breached_at_is_valid CHECK (breached_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (hospital_id, transport_request_id, kind)
);
CREATE INDEX sla_timer_due ON sla_timer (due_at) WHERE cleared_at IS NULL AND breached_at IS NULL;

CREATE TABLE system_analytics (
  id UUID NOT NULL,
  metric_name TEXT NOT NULL CONSTRAINT metric_name_is_valid CHECK (char_length(metric_name) BETWEEN 1 AND 200),
  metric_value NUMERIC(20, 6) NOT NULL,
  metric_unit TEXT NOT NULL CONSTRAINT metric_unit_is_valid CHECK (char_length(metric_unit) BETWEEN 1 AND 20),
  bucket_started_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT bucket_started_at_is_valid CHECK (bucket_started_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  bucket_seconds INTEGER NOT NULL CONSTRAINT bucket_seconds_is_valid CHECK (bucket_seconds >= 0),
  category TEXT NOT NULL CONSTRAINT category_is_valid CHECK (char_length(category) BETWEEN 1 AND 50),
  dimensions_key TEXT NOT NULL,
  metadata JSONB DEFAULT '{}' NOT NULL,
  computed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT computed_at_is_valid CHECK (computed_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (id),
  UNIQUE (metric_name, bucket_seconds, bucket_started_at, dimensions_key),
  CONSTRAINT metric_value_is_a_number CHECK (metric_value <> 'NaN'),
  CONSTRAINT dimensions_key_is_short CHECK (char_length(dimensions_key) <= 200)
);

CREATE TABLE system_configuration (
  id UUID NOT NULL,
  key TEXT NOT NULL CONSTRAINT key_is_valid CHECK (char_length(key) BETWEEN 1 AND 100),
  value_type TEXT NOT NULL CONSTRAINT value_type_is_valid CHECK (value_type IN ('BOOLEAN', 'INTEGER', 'DECIMAL', 'SECONDS', 'TEXT')),
  value JSONB NOT NULL,
  description TEXT NOT NULL CONSTRAINT description_is_valid CHECK (char_length(description) BETWEEN 1 AND 500),
  category TEXT NOT NULL CONSTRAINT category_is_valid CHECK (char_length(category) BETWEEN 1 AND 50),
  is_active BOOLEAN DEFAULT true NOT NULL,
  version BIGINT DEFAULT 1 NOT NULL CONSTRAINT version_is_valid CHECK (version >= 0),
  updated_by UUID NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (id),
  CONSTRAINT system_configuration_key UNIQUE (key),
  CONSTRAINT value_has_its_type CHECK (jsonb_typeof(value) = CASE value_type WHEN 'BOOLEAN' THEN 'boolean' WHEN 'TEXT' THEN 'string' WHEN 'DECIMAL' THEN 'string' ELSE 'number' END)
);

CREATE TABLE trip_fact (
  hospital_id UUID NOT NULL,
  transport_request_id UUID NOT NULL,
  agency_id UUID,
  transport_level TEXT CONSTRAINT transport_level_is_valid CHECK (transport_level IN ('OTHER', 'BLS', 'ALS', 'CCT')),
  priority TEXT CONSTRAINT priority_is_valid CHECK (priority IN ('LOW', 'MEDIUM', 'HIGH', 'URGENT')),
  status TEXT CONSTRAINT status_is_valid CHECK (status IN ('PENDING', 'AWARDED', 'ACCEPTED', 'EN_ROUTE', 'AT_PICKUP', 'IN_TRANSIT', 'AT_DESTINATION', 'COMPLETED', 'CANCELLED', 'EXPIRED')),
  origin_facility_id UUID,
  destination_facility_id UUID,
  requested_at TIMESTAMP WITH TIME ZONE CONSTRAINT requested_at_is_valid CHECK (requested_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  first_bid_at TIMESTAMP WITH TIME ZONE CONSTRAINT first_bid_at_is_valid CHECK (first_bid_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  awarded_at TIMESTAMP WITH TIME ZONE CONSTRAINT awarded_at_is_valid CHECK (awarded_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  accepted_at TIMESTAMP WITH TIME ZONE CONSTRAINT accepted_at_is_valid CHECK (accepted_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  en_route_at TIMESTAMP WITH TIME ZONE CONSTRAINT en_route_at_is_valid CHECK (en_route_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  arrived_pickup_at TIMESTAMP WITH TIME ZONE CONSTRAINT arrived_pickup_at_is_valid CHECK (arrived_pickup_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  picked_up_at TIMESTAMP WITH TIME ZONE CONSTRAINT picked_up_at_is_valid CHECK (picked_up_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  arrived_destination_at TIMESTAMP WITH TIME ZONE CONSTRAINT arrived_destination_at_is_valid CHECK (arrived_destination_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  completed_at TIMESTAMP WITH TIME ZONE CONSTRAINT completed_at_is_valid CHECK (completed_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  cancelled_at TIMESTAMP WITH TIME ZONE CONSTRAINT cancelled_at_is_valid CHECK (cancelled_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  expired_at TIMESTAMP WITH TIME ZONE CONSTRAINT expired_at_is_valid CHECK (expired_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  cancellation_reason TEXT CONSTRAINT cancellation_reason_is_valid CHECK (cancellation_reason IN ('PATIENT_CONDITION_CHANGED', 'NO_LONGER_NEEDED', 'DESTINATION_DECLINED', 'PATIENT_REFUSED', 'DUPLICATE', 'HANDLED_ELSEWHERE', 'ENTERED_IN_ERROR', 'OTHER')),
  bid_amount NUMERIC(12, 2) CONSTRAINT bid_amount_is_valid CHECK (bid_amount >= 0 AND bid_amount <> 'NaN'),
  loaded_miles DOUBLE PRECISION CONSTRAINT loaded_miles_is_valid CHECK (loaded_miles BETWEEN 0 AND 25000),
  deadhead_miles DOUBLE PRECISION CONSTRAINT deadhead_miles_is_valid CHECK (deadhead_miles BETWEEN 0 AND 25000),
  drop_count INTEGER DEFAULT 0 NOT NULL CONSTRAINT drop_count_is_valid CHECK (drop_count >= 0),
  hospital_version BIGINT DEFAULT 0 NOT NULL CONSTRAINT hospital_version_is_valid CHECK (hospital_version >= 0),
  ems_version BIGINT DEFAULT 0 NOT NULL CONSTRAINT ems_version_is_valid CHECK (ems_version >= 0),
  PRIMARY KEY (hospital_id, transport_request_id),
  CONSTRAINT known_trip_is_complete CHECK (hospital_version = 0 OR num_nulls(transport_level, priority, status, origin_facility_id, destination_facility_id, requested_at) = 0)
);
CREATE INDEX trip_fact_agency ON trip_fact (agency_id, requested_at);
CREATE INDEX trip_fact_time ON trip_fact (requested_at);

CREATE TABLE trusted_key (
  silo TEXT NOT NULL CONSTRAINT silo_is_valid CHECK (silo IN ('HOSPITAL', 'EMS', 'CENTER')),
  key_name TEXT NOT NULL CONSTRAINT key_name_is_valid CHECK (char_length(key_name) BETWEEN 1 AND 200),
  algorithm TEXT NOT NULL CONSTRAINT algorithm_is_valid CHECK (algorithm IN ('ES256', 'EDDSA')),
  public_key BYTEA NOT NULL,
  not_before_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT not_before_at_is_valid CHECK (not_before_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  not_after_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT not_after_at_is_valid CHECK (not_after_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  revoked_at TIMESTAMP WITH TIME ZONE CONSTRAINT revoked_at_is_valid CHECK (revoked_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (silo, key_name)
);

CREATE TABLE unit_interval_fact (
  agency_id UUID NOT NULL,
  unit_id UUID NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT started_at_is_valid CHECK (started_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  ended_at TIMESTAMP WITH TIME ZONE CONSTRAINT ended_at_is_valid CHECK (ended_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  status TEXT NOT NULL CONSTRAINT status_is_valid CHECK (status IN ('AVAILABLE', 'RESERVED', 'EN_ROUTE', 'AT_PICKUP', 'TRANSPORTING', 'AT_DESTINATION', 'ON_BREAK', 'OFF_DUTY', 'OUT_OF_SERVICE', 'MAINTENANCE')),
  PRIMARY KEY (agency_id, unit_id, started_at)
);

CREATE TABLE one_time_token (
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  purpose TEXT NOT NULL CONSTRAINT purpose_is_valid CHECK (purpose IN ('INVITATION', 'PASSWORD_RESET')),
  token_hash BYTEA NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT expires_at_is_valid CHECK (expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  used_at TIMESTAMP WITH TIME ZONE CONSTRAINT used_at_is_valid CHECK (used_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (id),
  FOREIGN KEY(user_id) REFERENCES center_user (id)
);
CREATE UNIQUE INDEX one_time_token_hash ON one_time_token (token_hash);

CREATE TABLE system_configuration_version (
  configuration_id UUID NOT NULL,
  version BIGINT NOT NULL CONSTRAINT version_is_valid CHECK (version >= 0),
  value JSONB NOT NULL,
  is_active BOOLEAN NOT NULL,
  updated_by UUID NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (configuration_id, version),
  FOREIGN KEY(configuration_id) REFERENCES system_configuration (id)
);

CREATE TABLE user_session (
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  last_used_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT last_used_at_is_valid CHECK (last_used_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT expires_at_is_valid CHECK (expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  revoked_at TIMESTAMP WITH TIME ZONE CONSTRAINT revoked_at_is_valid CHECK (revoked_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  revoke_reason TEXT CONSTRAINT revoke_reason_is_valid CHECK (revoke_reason IN ('LOGOUT', 'EXPIRED', 'TOKEN_REUSED', 'ADMINISTRATOR', 'PASSWORD_CHANGED')),
  ip_address INET,
  user_agent TEXT CONSTRAINT user_agent_is_valid CHECK (char_length(user_agent) BETWEEN 1 AND 300),
  PRIMARY KEY (id),
  FOREIGN KEY(user_id) REFERENCES center_user (id)
);

CREATE TABLE refresh_token (
  id UUID NOT NULL,
  session_id UUID NOT NULL,
  token_hash BYTEA NOT NULL,
  issued_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT issued_at_is_valid CHECK (issued_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT expires_at_is_valid CHECK (expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  used_at TIMESTAMP WITH TIME ZONE CONSTRAINT used_at_is_valid CHECK (used_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  replaced_by_id UUID,
  PRIMARY KEY (id),
  FOREIGN KEY(session_id) REFERENCES user_session (id)
);
CREATE UNIQUE INDEX refresh_token_hash ON refresh_token (token_hash);
CREATE UNIQUE INDEX refresh_token_live ON refresh_token (session_id) WHERE used_at IS NULL;

-- Each chain begins with 32 zero bytes.
INSERT INTO audit_chain (source_silo, chain_hash)
SELECT silo, decode(repeat('00', 32), 'hex') FROM unnest(ARRAY['HOSPITAL', 'EMS', 'CENTER']) AS silo;

-- What is written stays written: nobody but the owner edits the trail.
GRANT SELECT, INSERT ON audit_log,
  system_configuration_version
  TO {service_role};
GRANT SELECT, INSERT, UPDATE ON audit_chain,
  bid_fact,
  center_user,
  feature_toggle,
  idempotency_key,
  login_email,
  login_throttle,
  notification,
  notification_template,
  one_time_token,
  refresh_token,
  service_registry,
  signing_key,
  sla_timer,
  system_analytics,
  system_configuration,
  trip_fact,
  trusted_key,
  unit_interval_fact,
  user_session
  TO {service_role};
GRANT DELETE ON idempotency_key,
  login_email,
  login_throttle,
  one_time_token,
  refresh_token,
  user_session
  TO {service_role};
