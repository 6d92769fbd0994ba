-- The tables of hospital_svc/tables.py as they were at this version; frozen.

CREATE TABLE agency_directory (
  agency_id UUID NOT NULL,
  name TEXT NOT NULL CONSTRAINT name_is_valid CHECK (char_length(name) BETWEEN 1 AND 200),
  phone TEXT CONSTRAINT phone_is_valid CHECK (char_length(phone) BETWEEN 1 AND 32),
  city TEXT CONSTRAINT city_is_valid CHECK (char_length(city) BETWEEN 1 AND 100),
  state TEXT CONSTRAINT state_is_valid CHECK (char_length(state) BETWEEN 1 AND 2),
  latitude DOUBLE PRECISION CONSTRAINT latitude_is_valid CHECK (latitude BETWEEN -90 AND 90),
  longitude DOUBLE PRECISION CONSTRAINT longitude_is_valid CHECK (longitude BETWEEN -180 AND 180),
  levels TEXT[] DEFAULT '{}' NOT NULL CONSTRAINT levels_is_valid CHECK (levels <@ ARRAY['OTHER', 'BLS', 'ALS', 'CCT']::text[]),
  capabilities TEXT[] DEFAULT '{}' NOT NULL CONSTRAINT capabilities_is_valid CHECK (capabilities <@ ARRAY['OXYGEN', 'CARDIAC_MONITOR', 'INFUSION_PUMP', 'VENTILATOR', 'NEONATAL_ISOLETTE', 'BARIATRIC_STRETCHER', 'WHEELCHAIR_LIFT', 'ISOLATION']::text[]),
  registry_status TEXT NOT NULL CONSTRAINT registry_status_is_valid CHECK (registry_status IN ('PENDING', 'ACTIVE', 'SUSPENDED', 'RETIRED')),
  registry_version BIGINT DEFAULT 0 NOT NULL CONSTRAINT registry_version_is_valid CHECK (registry_version >= 0),
  agency_version BIGINT DEFAULT 0 NOT NULL CONSTRAINT agency_version_is_valid CHECK (agency_version >= 0),
  PRIMARY KEY (agency_id)
);

CREATE TABLE audit_entry (
  hospital_id UUID NOT NULL,
  id UUID NOT NULL,
  user_id UUID,
  actor_kind TEXT NOT NULL CONSTRAINT actor_kind_is_valid CHECK (actor_kind IN ('HOSPITAL_USER', 'EMS_USER', 'CENTER_USER', 'SYSTEM')),
  action TEXT NOT NULL CONSTRAINT action_is_valid CHECK (char_length(action) BETWEEN 1 AND 100),
  entity_type TEXT NOT NULL CONSTRAINT entity_type_is_valid CHECK (char_length(entity_type) BETWEEN 1 AND 64),
  entity_id UUID,
  changes JSONB DEFAULT '{}' NOT NULL,
  outcome TEXT NOT NULL CONSTRAINT outcome_is_valid CHECK (outcome IN ('ALLOWED', 'DENIED')),
  reason TEXT CONSTRAINT reason_is_valid CHECK (char_length(reason) BETWEEN 1 AND 500),
  occurred_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT occurred_at_is_valid CHECK (occurred_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  ip_address INET,
  request_id UUID,
  PRIMARY KEY (hospital_id, id)
);

CREATE TABLE break_glass_grant (
  hospital_id UUID NOT NULL,
  id UUID NOT NULL,
  transport_request_id UUID NOT NULL,
  center_user_id UUID NOT NULL,
  reason TEXT NOT NULL CONSTRAINT reason_is_valid CHECK (char_length(reason) BETWEEN 1 AND 500),
  granted_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT granted_at_is_valid CHECK (granted_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT expires_at_is_valid CHECK (expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (hospital_id, id),
  CONSTRAINT break_glass_is_short_and_explained CHECK (char_length(reason) >= 20 AND expires_at <= granted_at + interval '60 minutes')
);

CREATE TABLE facility_directory (
  facility_id UUID NOT NULL,
  hospital_id UUID NOT NULL,
  hospital_name TEXT NOT NULL CONSTRAINT hospital_name_is_valid CHECK (char_length(hospital_name) BETWEEN 1 AND 200),
  name TEXT NOT NULL CONSTRAINT name_is_valid CHECK (char_length(name) BETWEEN 1 AND 200),
  type TEXT NOT NULL CONSTRAINT type_is_valid CHECK (type IN ('ACUTE_CARE', 'CRITICAL_ACCESS', 'PEDIATRIC', 'FREESTANDING_ED', 'BEHAVIORAL', 'REHABILITATION', 'LONG_TERM_CARE', 'CLINIC')),
  address TEXT NOT NULL CONSTRAINT address_is_valid CHECK (char_length(address) BETWEEN 1 AND 200),
  city TEXT NOT NULL CONSTRAINT city_is_valid CHECK (char_length(city) BETWEEN 1 AND 100),
  state TEXT NOT NULL CONSTRAINT state_is_valid CHECK (char_length(state) BETWEEN 1 AND 2),
  zip_code TEXT NOT NULL CONSTRAINT zip_code_is_valid CHECK (char_length(zip_code) BETWEEN 1 AND 10),
  latitude DOUBLE PRECISION NOT NULL CONSTRAINT latitude_is_valid CHECK (latitude BETWEEN -90 AND 90),
  longitude DOUBLE PRECISION NOT NULL CONSTRAINT longitude_is_valid CHECK (longitude BETWEEN -180 AND 180),
  capabilities TEXT[] DEFAULT '{}' NOT NULL CONSTRAINT capabilities_is_valid CHECK (capabilities <@ ARRAY['EMERGENCY', 'ICU', 'STROKE', 'PCI', 'TRAUMA', 'CARDIAC_SURGERY', 'NEUROSURGERY', 'TRANSPLANT', 'PEDIATRIC', 'NICU', 'OBSTETRICS', 'BEHAVIORAL', 'DIALYSIS']::text[]),
  is_active BOOLEAN NOT NULL,
  facility_version BIGINT NOT NULL CONSTRAINT facility_version_is_valid CHECK (facility_version >= 0),
  PRIMARY KEY (facility_id)
);

CREATE TABLE feature_toggle_copy (
  feature_name TEXT NOT NULL CONSTRAINT feature_name_is_valid CHECK (char_length(feature_name) BETWEEN 1 AND 200),
  is_enabled BOOLEAN NOT NULL,
  target_users UUID[] NOT NULL,
  target_organizations UUID[] NOT NULL,
  rollout_percent SMALLINT NOT NULL,
  configuration JSONB NOT NULL,
  version BIGINT NOT NULL CONSTRAINT version_is_valid CHECK (version >= 0),
  PRIMARY KEY (feature_name)
);

CREATE TABLE hospital (
  hospital_id UUID NOT NULL,
  service_id UUID NOT NULL,
  name TEXT NOT NULL CONSTRAINT name_is_valid CHECK (char_length(name) BETWEEN 1 AND 200),
  status TEXT DEFAULT 'PENDING' NOT NULL CONSTRAINT status_is_valid CHECK (status IN ('PENDING', 'ACTIVE', 'SUSPENDED', 'RETIRED')),
  registry_version BIGINT DEFAULT 0 NOT NULL CONSTRAINT registry_version_is_valid CHECK (registry_version >= 0),
  time_zone TEXT DEFAULT 'America/New_York' NOT NULL CONSTRAINT time_zone_is_valid CHECK (char_length(time_zone) BETWEEN 1 AND 64),
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  row_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT row_version_is_valid CHECK (row_version >= 0),
  PRIMARY KEY (hospital_id)
);

CREATE TABLE hospital_agency_preference (
  hospital_id UUID NOT NULL,
  id UUID NOT NULL,
  agency_id UUID NOT NULL,
  is_active BOOLEAN DEFAULT true NOT NULL,
  preference_order INTEGER DEFAULT 0 NOT NULL CONSTRAINT preference_order_is_valid CHECK (preference_order >= 0),
  notes TEXT CONSTRAINT notes_is_valid CHECK (char_length(notes) BETWEEN 1 AND 500),
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  row_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT row_version_is_valid CHECK (row_version >= 0),
  PRIMARY KEY (hospital_id, id),
  CONSTRAINT hospital_agency_preference_agency UNIQUE (hospital_id, agency_id)
);

CREATE TABLE idempotency_key (
  hospital_id UUID NOT NULL,
  principal_id UUID NOT NULL,
  method TEXT NOT NULL CONSTRAINT method_is_valid CHECK (char_length(method) BETWEEN 1 AND 200),
  request_id UUID NOT NULL,
  request_hash BYTEA NOT NULL,
  response BYTEA,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT expires_at_is_valid CHECK (expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (hospital_id, principal_id, method, request_id)
);
CREATE INDEX idempotency_key_expiry ON idempotency_key (expires_at);

CREATE TABLE login_email (
  email TEXT NOT NULL CONSTRAINT email_is_valid CHECK (char_length(email) BETWEEN 1 AND 254),
  hospital_id UUID NOT NULL,
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
  hospital_id UUID NOT NULL,
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
  PRIMARY KEY (hospital_id, id)
);
CREATE UNIQUE INDEX notification_once ON notification (hospital_id, recipient_user_id, template_name, channel, source_event_id);

CREATE TABLE notification_template_copy (
  template_name TEXT NOT NULL CONSTRAINT template_name_is_valid CHECK (char_length(template_name) BETWEEN 1 AND 200),
  template_type TEXT NOT NULL CONSTRAINT template_type_is_valid CHECK (char_length(template_type) BETWEEN 1 AND 20),
  subject TEXT CONSTRAINT subject_is_valid CHECK (char_length(subject) BETWEEN 1 AND 200),
  content TEXT NOT NULL CONSTRAINT content_is_valid CHECK (char_length(content) BETWEEN 1 AND 4000),
  variables TEXT[] NOT NULL,
  is_active BOOLEAN NOT NULL,
  version BIGINT NOT NULL CONSTRAINT version_is_valid CHECK (version >= 0),
  PRIMARY KEY (template_name, template_type)
);

CREATE TABLE received_bid (
  hospital_id UUID NOT NULL,
  id UUID NOT NULL,
  transport_request_id UUID NOT NULL,
  agency_id UUID NOT NULL,
  bid_amount NUMERIC(12, 2) CONSTRAINT bid_amount_is_valid CHECK (bid_amount >= 0 AND bid_amount <> 'NaN'),
  currency_code TEXT DEFAULT 'USD' NOT NULL CONSTRAINT currency_code_is_valid CHECK (currency_code ~ '^[A-Z]{3}$'),
  estimated_arrival_at TIMESTAMP WITH TIME ZONE CONSTRAINT estimated_arrival_at_is_valid CHECK (estimated_arrival_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  estimated_pickup_at TIMESTAMP WITH TIME ZONE CONSTRAINT estimated_pickup_at_is_valid CHECK (estimated_pickup_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  special_notes TEXT CONSTRAINT special_notes_is_valid CHECK (char_length(special_notes) BETWEEN 1 AND 500),
  unit_level TEXT NOT NULL CONSTRAINT unit_level_is_valid CHECK (unit_level IN ('OTHER', 'BLS', 'ALS', 'CCT')),
  status TEXT NOT NULL CONSTRAINT status_is_valid CHECK (status IN ('PENDING', 'ACCEPTED', 'REJECTED', 'WITHDRAWN', 'EXPIRED', 'RELEASED')),
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT expires_at_is_valid CHECK (expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  material_version BIGINT NOT NULL CONSTRAINT material_version_is_valid CHECK (material_version >= 0),
  submitted_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT submitted_at_is_valid CHECK (submitted_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  bid_version BIGINT NOT NULL CONSTRAINT bid_version_is_valid CHECK (bid_version >= 0),
  PRIMARY KEY (hospital_id, id)
);
CREATE UNIQUE INDEX received_bid_one_winner ON received_bid (hospital_id, transport_request_id) WHERE status = 'ACCEPTED';
CREATE INDEX received_bid_trip ON received_bid (hospital_id, transport_request_id, status);

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

CREATE TABLE system_configuration_copy (
  key TEXT NOT NULL CONSTRAINT key_is_valid CHECK (char_length(key) BETWEEN 1 AND 100),
  value_type TEXT NOT NULL CONSTRAINT value_type_is_valid CHECK (char_length(value_type) BETWEEN 1 AND 20),
  value JSONB NOT NULL,
  is_active BOOLEAN NOT NULL,
  version BIGINT NOT NULL CONSTRAINT version_is_valid CHECK (version >= 0),
  PRIMARY KEY (key)
);

CREATE TABLE trip_tracking (
  hospital_id UUID NOT NULL,
  transport_request_id UUID NOT NULL,
  agency_id UUID NOT NULL,
  unit_id UUID NOT NULL,
  latitude DOUBLE PRECISION NOT NULL CONSTRAINT latitude_is_valid CHECK (latitude BETWEEN -90 AND 90),
  longitude DOUBLE PRECISION NOT NULL CONSTRAINT longitude_is_valid CHECK (longitude BETWEEN -180 AND 180),
  fix_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT fix_at_is_valid CHECK (fix_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT received_at_is_valid CHECK (received_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (hospital_id, transport_request_id)
);

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

CREATE TABLE hospital_facility (
  hospital_id UUID NOT NULL,
  id UUID NOT NULL,
  name TEXT NOT NULL CONSTRAINT name_is_valid CHECK (char_length(name) BETWEEN 1 AND 200),
  type TEXT NOT NULL CONSTRAINT type_is_valid CHECK (type IN ('ACUTE_CARE', 'CRITICAL_ACCESS', 'PEDIATRIC', 'FREESTANDING_ED', 'BEHAVIORAL', 'REHABILITATION', 'LONG_TERM_CARE', 'CLINIC')),
  address TEXT NOT NULL CONSTRAINT address_is_valid CHECK (char_length(address) BETWEEN 1 AND 200),
  city TEXT NOT NULL CONSTRAINT city_is_valid CHECK (char_length(city) BETWEEN 1 AND 100),
  state TEXT NOT NULL CONSTRAINT state_is_valid CHECK (char_length(state) BETWEEN 1 AND 2),
  zip_code TEXT NOT NULL CONSTRAINT zip_code_is_valid CHECK (char_length(zip_code) BETWEEN 1 AND 10),
  latitude DOUBLE PRECISION NOT NULL CONSTRAINT latitude_is_valid CHECK (latitude BETWEEN -90 AND 90),
  longitude DOUBLE PRECISION NOT NULL CONSTRAINT longitude_is_valid CHECK (longitude BETWEEN -180 AND 180),
  phone TEXT CONSTRAINT phone_is_valid CHECK (char_length(phone) BETWEEN 1 AND 32),
  email TEXT CONSTRAINT email_is_valid CHECK (char_length(email) BETWEEN 1 AND 254),
  operating_hours JSONB DEFAULT '[]' NOT NULL,
  capabilities TEXT[] DEFAULT '{}' NOT NULL CONSTRAINT capabilities_is_valid CHECK (capabilities <@ ARRAY['EMERGENCY', 'ICU', 'STROKE', 'PCI', 'TRAUMA', 'CARDIAC_SURGERY', 'NEUROSURGERY', 'TRANSPLANT', 'PEDIATRIC', 'NICU', 'OBSTETRICS', 'BEHAVIORAL', 'DIALYSIS']::text[]),
  is_active BOOLEAN DEFAULT true NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  row_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT row_version_is_valid CHECK (row_version >= 0),
  PRIMARY KEY (hospital_id, id),
  FOREIGN KEY(hospital_id) REFERENCES hospital (hospital_id)
);
CREATE UNIQUE INDEX hospital_facility_place ON hospital_facility (hospital_id, lower(name), lower(address));

CREATE TABLE hospital_user (
  hospital_id UUID NOT NULL,
  id UUID NOT NULL,
  email TEXT NOT NULL CONSTRAINT email_is_valid CHECK (char_length(email) BETWEEN 1 AND 254),
  password_hash TEXT CONSTRAINT password_hash_is_valid CHECK (char_length(password_hash) BETWEEN 1 AND 200),
  name TEXT NOT NULL CONSTRAINT name_is_valid CHECK (char_length(name) BETWEEN 1 AND 200),
  role TEXT DEFAULT 'STAFF' NOT NULL CONSTRAINT role_is_valid CHECK (role IN ('STAFF', 'CASE_MANAGER', 'ADMIN')),
  is_active BOOLEAN DEFAULT true NOT NULL,
  last_login_at TIMESTAMP WITH TIME ZONE CONSTRAINT last_login_at_is_valid CHECK (last_login_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  row_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT row_version_is_valid CHECK (row_version >= 0),
  PRIMARY KEY (hospital_id, id),
  FOREIGN KEY(hospital_id) REFERENCES hospital (hospital_id)
);
CREATE UNIQUE INDEX hospital_user_email ON hospital_user (hospital_id, lower(email));

CREATE TABLE one_time_token (
  hospital_id UUID NOT NULL,
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  purpose TEXT NOT NULL CONSTRAINT purpose_is_valid CHECK (purpose IN ('INVITATION', 'PASSWORD_RESET')),
  token_hash BYTEA NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT expires_at_is_valid CHECK (expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  used_at TIMESTAMP WITH TIME ZONE CONSTRAINT used_at_is_valid CHECK (used_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (hospital_id, id),
  FOREIGN KEY(hospital_id, user_id) REFERENCES hospital_user (hospital_id, id)
);
CREATE UNIQUE INDEX one_time_token_hash ON one_time_token (hospital_id, token_hash);

CREATE TABLE transport_request (
  hospital_id UUID NOT NULL,
  id UUID NOT NULL,
  trip_number TEXT NOT NULL CONSTRAINT trip_number_is_valid CHECK (char_length(trip_number) BETWEEN 1 AND 20),
  patient_id TEXT CONSTRAINT patient_id_is_valid CHECK (char_length(patient_id) BETWEEN 1 AND 64),
  patient_purged_at TIMESTAMP WITH TIME ZONE CONSTRAINT patient_purged_at_is_valid CHECK (patient_purged_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  origin_detail TEXT CONSTRAINT origin_detail_is_valid CHECK (char_length(origin_detail) BETWEEN 1 AND 200),
  destination_detail TEXT CONSTRAINT destination_detail_is_valid CHECK (char_length(destination_detail) BETWEEN 1 AND 200),
  special_requirements TEXT CONSTRAINT special_requirements_is_valid CHECK (char_length(special_requirements) BETWEEN 1 AND 2000),
  leg TEXT DEFAULT 'OUTBOUND' NOT NULL CONSTRAINT leg_is_valid CHECK (leg IN ('OUTBOUND', 'RETURN')),
  parent_transport_request_id UUID,
  origin_hospital_id UUID NOT NULL,
  origin_facility_id UUID NOT NULL,
  destination_hospital_id UUID NOT NULL,
  destination_facility_id UUID NOT NULL,
  transport_level TEXT NOT NULL CONSTRAINT transport_level_is_valid CHECK (transport_level IN ('OTHER', 'BLS', 'ALS', 'CCT')),
  priority TEXT DEFAULT 'MEDIUM' NOT NULL CONSTRAINT priority_is_valid CHECK (priority IN ('LOW', 'MEDIUM', 'HIGH', 'URGENT')),
  status TEXT DEFAULT 'PENDING' NOT NULL CONSTRAINT status_is_valid CHECK (status IN ('PENDING', 'AWARDED', 'ACCEPTED', 'EN_ROUTE', 'AT_PICKUP', 'IN_TRANSIT', 'AT_DESTINATION', 'COMPLETED', 'CANCELLED', 'EXPIRED')),
  required_capabilities TEXT[] DEFAULT '{}' NOT NULL CONSTRAINT required_capabilities_is_valid CHECK (required_capabilities <@ ARRAY['OXYGEN', 'CARDIAC_MONITOR', 'INFUSION_PUMP', 'VENTILATOR', 'NEONATAL_ISOLETTE', 'BARIATRIC_STRETCHER', 'WHEELCHAIR_LIFT', 'ISOLATION']::text[]),
  age_band TEXT NOT NULL CONSTRAINT age_band_is_valid CHECK (age_band IN ('NEONATE', 'INFANT', 'CHILD', 'ADULT', 'SENIOR')),
  weight_band TEXT NOT NULL CONSTRAINT weight_band_is_valid CHECK (weight_band IN ('UNDER_300_LB', 'FROM_300_TO_500_LB', 'OVER_500_LB')),
  ready_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT ready_at_is_valid CHECK (ready_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  latest_pickup_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT latest_pickup_at_is_valid CHECK (latest_pickup_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  offer_mode TEXT DEFAULT 'CASCADE' NOT NULL CONSTRAINT offer_mode_is_valid CHECK (offer_mode IN ('BROADCAST', 'PREFERRED', 'CASCADE')),
  offer_expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT offer_expires_at_is_valid CHECK (offer_expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  requested_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT requested_at_is_valid CHECK (requested_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  awarded_at TIMESTAMP WITH TIME ZONE CONSTRAINT awarded_at_is_valid CHECK (awarded_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  accepted_at TIMESTAMP WITH TIME ZONE CONSTRAINT accepted_at_is_valid CHECK (accepted_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  en_route_at TIMESTAMP WITH TIME ZONE CONSTRAINT en_route_at_is_valid CHECK (en_route_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  arrived_pickup_at TIMESTAMP WITH TIME ZONE CONSTRAINT arrived_pickup_at_is_valid CHECK (arrived_pickup_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  picked_up_at TIMESTAMP WITH TIME ZONE CONSTRAINT picked_up_at_is_valid CHECK (picked_up_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  arrived_destination_at TIMESTAMP WITH TIME ZONE CONSTRAINT arrived_destination_at_is_valid CHECK (arrived_destination_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  completed_at TIMESTAMP WITH TIME ZONE CONSTRAINT completed_at_is_valid CHECK (completed_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  received_at TIMESTAMP WITH TIME ZONE CONSTRAINT received_at_is_valid CHECK (received_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  cancelled_at TIMESTAMP WITH TIME ZONE CONSTRAINT cancelled_at_is_valid CHECK (cancelled_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  expired_at TIMESTAMP WITH TIME ZONE CONSTRAINT expired_at_is_valid CHECK (expired_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  award_id UUID,
  assigned_agency_id UUID,
  assigned_unit_id UUID,
  assigned_unit_number TEXT CONSTRAINT assigned_unit_number_is_valid CHECK (char_length(assigned_unit_number) BETWEEN 1 AND 20),
  assigned_unit_as_of_at TIMESTAMP WITH TIME ZONE CONSTRAINT assigned_unit_as_of_at_is_valid CHECK (assigned_unit_as_of_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  eta_pickup_at TIMESTAMP WITH TIME ZONE CONSTRAINT eta_pickup_at_is_valid CHECK (eta_pickup_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  eta_destination_at TIMESTAMP WITH TIME ZONE CONSTRAINT eta_destination_at_is_valid CHECK (eta_destination_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  eta_as_of_at TIMESTAMP WITH TIME ZONE CONSTRAINT eta_as_of_at_is_valid CHECK (eta_as_of_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  cancellation_reason TEXT CONSTRAINT cancellation_reason_is_valid CHECK (cancellation_reason IN ('PATIENT_CONDITION_CHANGED', 'NO_LONGER_NEEDED', 'DESTINATION_DECLINED', 'PATIENT_REFUSED', 'DUPLICATE', 'HANDLED_ELSEWHERE', 'ENTERED_IN_ERROR', 'OTHER')),
  cancellation_note TEXT CONSTRAINT cancellation_note_is_valid CHECK (char_length(cancellation_note) BETWEEN 1 AND 500),
  cancel_requested_at TIMESTAMP WITH TIME ZONE CONSTRAINT cancel_requested_at_is_valid CHECK (cancel_requested_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  cancel_requested_by UUID,
  cancel_token UUID,
  cancel_intent TEXT CONSTRAINT cancel_intent_is_valid CHECK (cancel_intent IN ('CANCEL', 'REOPEN')),
  cancel_refused_at TIMESTAMP WITH TIME ZONE CONSTRAINT cancel_refused_at_is_valid CHECK (cancel_refused_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  created_by_id UUID NOT NULL,
  material_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT material_version_is_valid CHECK (material_version >= 0),
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  row_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT row_version_is_valid CHECK (row_version >= 0),
  PRIMARY KEY (hospital_id, id),
  FOREIGN KEY(origin_facility_id) REFERENCES facility_directory (facility_id),
  FOREIGN KEY(destination_facility_id) REFERENCES facility_directory (facility_id),
  FOREIGN KEY(hospital_id, parent_transport_request_id) REFERENCES transport_request (hospital_id, id),
  FOREIGN KEY(hospital_id, created_by_id) REFERENCES hospital_user (hospital_id, id),
  CONSTRAINT transport_request_trip_number UNIQUE (hospital_id, trip_number),
  CONSTRAINT goes_somewhere CHECK (origin_facility_id <> destination_facility_id),
  CONSTRAINT periods_have_a_length CHECK (latest_pickup_at >= ready_at AND offer_expires_at > requested_at),
  CONSTRAINT patient_is_known_or_purged CHECK (patient_id IS NOT NULL OR patient_purged_at IS NOT NULL),
  CONSTRAINT return_has_a_parent CHECK ((leg = 'RETURN') = (parent_transport_request_id IS NOT NULL)),
  CONSTRAINT hospital_is_at_its_end CHECK (hospital_id = CASE leg WHEN 'OUTBOUND' THEN origin_hospital_id ELSE destination_hospital_id END),
  CONSTRAINT award_fits_status CHECK ((award_id IS NOT NULL) = (status NOT IN ('PENDING', 'CANCELLED', 'EXPIRED'))),
  CONSTRAINT award_names_agency CHECK ((award_id IS NULL) = (assigned_agency_id IS NULL) AND (assigned_unit_id IS NULL OR award_id IS NOT NULL)),
  CONSTRAINT moving_needs_a_unit CHECK (status NOT IN ('EN_ROUTE', 'AT_PICKUP', 'IN_TRANSIT', 'AT_DESTINATION', 'COMPLETED') OR assigned_unit_id IS NOT NULL),
  CONSTRAINT aboard_fits_status CHECK ((picked_up_at IS NOT NULL) = (status IN ('IN_TRANSIT', 'AT_DESTINATION', 'COMPLETED'))),
  CONSTRAINT completion_fits_status CHECK ((status = 'COMPLETED') = (completed_at IS NOT NULL)),
  CONSTRAINT expiry_fits_status CHECK ((status = 'EXPIRED') = (expired_at IS NOT NULL)),
  CONSTRAINT cancellation_fits_status CHECK ((status = 'CANCELLED') = (cancelled_at IS NOT NULL) AND (cancelled_at IS NULL OR cancellation_reason IS NOT NULL)),
  CONSTRAINT cancel_request_is_whole CHECK (num_nulls(cancel_requested_at, cancel_requested_by, cancel_token, cancel_intent) IN (0, 4)),
  CONSTRAINT times_never_decrease CHECK ((en_route_at >= accepted_at) IS NOT FALSE AND (arrived_pickup_at >= accepted_at) IS NOT FALSE AND (picked_up_at >= accepted_at) IS NOT FALSE AND (arrived_destination_at >= accepted_at) IS NOT FALSE AND (completed_at >= accepted_at) IS NOT FALSE AND (arrived_pickup_at >= en_route_at) IS NOT FALSE AND (picked_up_at >= en_route_at) IS NOT FALSE AND (arrived_destination_at >= en_route_at) IS NOT FALSE AND (completed_at >= en_route_at) IS NOT FALSE AND (picked_up_at >= arrived_pickup_at) IS NOT FALSE AND (arrived_destination_at >= arrived_pickup_at) IS NOT FALSE AND (completed_at >= arrived_pickup_at) IS NOT FALSE AND (arrived_destination_at >= picked_up_at) IS NOT FALSE AND (completed_at >= picked_up_at) IS NOT FALSE AND (completed_at >= arrived_destination_at) IS NOT FALSE)
);
CREATE INDEX transport_request_inbound ON transport_request (destination_hospital_id, status);
CREATE UNIQUE INDEX transport_request_live_patient ON transport_request (hospital_id, patient_id, leg) WHERE status NOT IN ('COMPLETED', 'CANCELLED', 'EXPIRED') AND cancel_intent IS DISTINCT FROM 'CANCEL';
CREATE INDEX transport_request_newest ON transport_request (hospital_id, status, requested_at DESC, id DESC);
CREATE INDEX transport_request_offers ON transport_request (offer_expires_at) WHERE status = 'PENDING';

CREATE TABLE user_session (
  hospital_id UUID NOT NULL,
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  last_used_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT last_used_at_is_valid CHECK (last_used_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT expires_at_is_valid CHECK (expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  revoked_at TIMESTAMP WITH TIME ZONE CONSTRAINT revoked_at_is_valid CHECK (revoked_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  revoke_reason TEXT CONSTRAINT revoke_reason_is_valid CHECK (revoke_reason IN ('LOGOUT', 'EXPIRED', 'TOKEN_REUSED', 'ADMINISTRATOR', 'PASSWORD_CHANGED')),
  ip_address INET,
  user_agent TEXT CONSTRAINT user_agent_is_valid CHECK (char_length(user_agent) BETWEEN 1 AND 300),
  PRIMARY KEY (hospital_id, id),
  FOREIGN KEY(hospital_id, user_id) REFERENCES hospital_user (hospital_id, id)
);

CREATE TABLE award (
  hospital_id UUID NOT NULL,
  id UUID NOT NULL,
  transport_request_id UUID NOT NULL,
  bid_id UUID NOT NULL,
  agency_id UUID NOT NULL,
  bid_amount NUMERIC(12, 2) CONSTRAINT bid_amount_is_valid CHECK (bid_amount >= 0 AND bid_amount <> 'NaN'),
  currency_code TEXT DEFAULT 'USD' NOT NULL CONSTRAINT currency_code_is_valid CHECK (currency_code ~ '^[A-Z]{3}$'),
  state TEXT DEFAULT 'TENTATIVE' NOT NULL CONSTRAINT state_is_valid CHECK (state IN ('TENTATIVE', 'CONFIRMED', 'DECLINED', 'REVOKED', 'DROPPED', 'CANCELLED', 'FULFILLED')),
  material_version BIGINT NOT NULL CONSTRAINT material_version_is_valid CHECK (material_version >= 0),
  awarded_by_id UUID,
  awarded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT awarded_at_is_valid CHECK (awarded_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  confirm_deadline_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT confirm_deadline_at_is_valid CHECK (confirm_deadline_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  decided_at TIMESTAMP WITH TIME ZONE CONSTRAINT decided_at_is_valid CHECK (decided_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  reason TEXT CONSTRAINT reason_is_valid CHECK (char_length(reason) BETWEEN 1 AND 64),
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  row_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT row_version_is_valid CHECK (row_version >= 0),
  PRIMARY KEY (hospital_id, id),
  FOREIGN KEY(hospital_id, transport_request_id) REFERENCES transport_request (hospital_id, id),
  CONSTRAINT decision_fits_state CHECK ((state = 'TENTATIVE') = (decided_at IS NULL))
);
CREATE UNIQUE INDEX award_one_winner ON award (hospital_id, transport_request_id) WHERE state IN ('TENTATIVE', 'CONFIRMED');

CREATE TABLE refresh_token (
  hospital_id UUID NOT NULL,
  id UUID NOT NULL,
  session_id UUID NOT NULL,
  token_hash BYTEA NOT NULL,
  issued_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT issued_at_is_valid CHECK (issued_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT expires_at_is_valid CHECK (expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  used_at TIMESTAMP WITH TIME ZONE CONSTRAINT used_at_is_valid CHECK (used_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  replaced_by_id UUID,
  PRIMARY KEY (hospital_id, id),
  FOREIGN KEY(hospital_id, session_id) REFERENCES user_session (hospital_id, id)
);
CREATE UNIQUE INDEX refresh_token_hash ON refresh_token (hospital_id, token_hash);
CREATE UNIQUE INDEX refresh_token_live ON refresh_token (hospital_id, session_id) WHERE used_at IS NULL;

CREATE TABLE trip_history (
  hospital_id UUID NOT NULL,
  id UUID NOT NULL,
  transport_request_id UUID NOT NULL,
  sequence INTEGER NOT NULL CONSTRAINT sequence_is_valid CHECK (sequence >= 0),
  status TEXT NOT NULL CONSTRAINT status_is_valid CHECK (status IN ('PENDING', 'AWARDED', 'ACCEPTED', 'EN_ROUTE', 'AT_PICKUP', 'IN_TRANSIT', 'AT_DESTINATION', 'COMPLETED', 'CANCELLED', 'EXPIRED')),
  occurred_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT occurred_at_is_valid CHECK (occurred_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT recorded_at_is_valid CHECK (recorded_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  notes TEXT CONSTRAINT notes_is_valid CHECK (char_length(notes) BETWEEN 1 AND 500),
  updated_by UUID,
  actor_kind TEXT NOT NULL CONSTRAINT actor_kind_is_valid CHECK (actor_kind IN ('HOSPITAL_USER', 'EMS_USER', 'CENTER_USER', 'SYSTEM')),
  source_event_id UUID,
  is_conflict BOOLEAN DEFAULT false NOT NULL,
  PRIMARY KEY (hospital_id, id),
  FOREIGN KEY(hospital_id, transport_request_id) REFERENCES transport_request (hospital_id, id),
  CONSTRAINT trip_history_sequence UNIQUE (hospital_id, transport_request_id, sequence)
);

-- A transaction sees the rows of the tenant that it names, and without a name none.
ALTER TABLE audit_entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_entry FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_entry USING (hospital_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE break_glass_grant ENABLE ROW LEVEL SECURITY;
ALTER TABLE break_glass_grant FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON break_glass_grant USING (hospital_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE hospital_agency_preference ENABLE ROW LEVEL SECURITY;
ALTER TABLE hospital_agency_preference FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON hospital_agency_preference USING (hospital_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE idempotency_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_key FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON idempotency_key USING (hospital_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE notification ENABLE ROW LEVEL SECURITY;
ALTER TABLE notification FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notification USING (hospital_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE received_bid ENABLE ROW LEVEL SECURITY;
ALTER TABLE received_bid FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON received_bid USING (hospital_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE trip_tracking ENABLE ROW LEVEL SECURITY;
ALTER TABLE trip_tracking FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON trip_tracking USING (hospital_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE hospital_facility ENABLE ROW LEVEL SECURITY;
ALTER TABLE hospital_facility FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON hospital_facility USING (hospital_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE hospital_user ENABLE ROW LEVEL SECURITY;
ALTER TABLE hospital_user FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON hospital_user USING (hospital_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE one_time_token ENABLE ROW LEVEL SECURITY;
ALTER TABLE one_time_token FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON one_time_token USING (hospital_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE transport_request ENABLE ROW LEVEL SECURITY;
ALTER TABLE transport_request FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON transport_request USING (hospital_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE user_session ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_session FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON user_session USING (hospital_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE award ENABLE ROW LEVEL SECURITY;
ALTER TABLE award FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON award USING (hospital_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE refresh_token ENABLE ROW LEVEL SECURITY;
ALTER TABLE refresh_token FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON refresh_token USING (hospital_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE trip_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE trip_history FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON trip_history USING (hospital_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);

-- What is written stays written: nobody but the owner edits the trail.
GRANT SELECT, INSERT ON audit_entry,
  trip_history
  TO {service_role};
GRANT SELECT, INSERT, UPDATE ON agency_directory,
  award,
  break_glass_grant,
  facility_directory,
  feature_toggle_copy,
  hospital,
  hospital_agency_preference,
  hospital_facility,
  hospital_user,
  idempotency_key,
  login_email,
  login_throttle,
  notification,
  notification_template_copy,
  one_time_token,
  received_bid,
  refresh_token,
  signing_key,
  system_configuration_copy,
  transport_request,
  trip_tracking,
  trusted_key,
  user_session
  TO {service_role};
GRANT DELETE ON hospital_agency_preference,
  idempotency_key,
  login_email,
  login_throttle,
  one_time_token,
  refresh_token,
  user_session
  TO {service_role};
