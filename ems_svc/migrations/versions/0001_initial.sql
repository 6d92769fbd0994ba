-- The EMS silo's first schema, as ems_svc/tables stood then: frozen, never regenerated.

CREATE TABLE agency_rate (
  agency_id UUID NOT NULL,
  transport_level TEXT NOT NULL CONSTRAINT transport_level_is_valid CHECK (transport_level IN ('OTHER', 'BLS', 'ALS', 'CCT')),
  base_amount NUMERIC(12, 2) NOT NULL CONSTRAINT base_amount_is_valid CHECK (base_amount >= 0 AND base_amount <> 'NaN'),
  per_mile_amount NUMERIC(12, 2) NOT NULL CONSTRAINT per_mile_amount_is_valid CHECK (per_mile_amount >= 0 AND per_mile_amount <> 'NaN'),
  currency_code TEXT DEFAULT 'USD' NOT NULL CONSTRAINT currency_code_is_valid CHECK (currency_code ~ '^[A-Z]{3}$'),
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  row_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT row_version_is_valid CHECK (row_version >= 0),
  PRIMARY KEY (agency_id, transport_level)
);

CREATE TABLE audit_entry (
  agency_id UUID NOT NULL,
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
  PRIMARY KEY (agency_id, id)
);

CREATE TABLE available_trip (
  agency_id UUID NOT NULL,
  transport_request_id UUID NOT NULL,
  hospital_id UUID NOT NULL,
  trip_number TEXT NOT NULL CONSTRAINT trip_number_is_valid CHECK (char_length(trip_number) BETWEEN 1 AND 20),
  wave SMALLINT NOT NULL,
  visible_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT visible_at_is_valid CHECK (visible_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  offer_expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT offer_expires_at_is_valid CHECK (offer_expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  state TEXT DEFAULT 'OPEN' NOT NULL CONSTRAINT state_is_valid CHECK (state IN ('OPEN', 'WON', 'UNAVAILABLE')),
  transport_level TEXT NOT NULL CONSTRAINT transport_level_is_valid CHECK (transport_level IN ('OTHER', 'BLS', 'ALS', 'CCT')),
  priority TEXT NOT NULL CONSTRAINT priority_is_valid CHECK (priority IN ('LOW', 'MEDIUM', 'HIGH', 'URGENT')),
  required_capabilities TEXT[] NOT NULL CONSTRAINT required_capabilities_is_valid CHECK (required_capabilities <@ ARRAY['OXYGEN', 'CARDIAC_MONITOR', 'INFUSION_PUMP', 'VENTILATOR', 'NEONATAL_ISOLETTE', 'BARIATRIC_STRETCHER', 'WHEELCHAIR_LIFT', 'ISOLATION']::text[]),
  age_band TEXT NOT NULL CONSTRAINT age_band_is_valid CHECK (age_band IN ('NEONATE', 'INFANT', 'CHILD', 'ADULT', 'SENIOR')),
  weight_band TEXT NOT NULL CONSTRAINT weight_band_is_valid CHECK (weight_band IN ('UNDER_300_LB', 'FROM_300_TO_500_LB', 'OVER_500_LB')),
  origin_facility_id UUID NOT NULL,
  destination_facility_id UUID NOT NULL,
  ready_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT ready_at_is_valid CHECK (ready_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  latest_pickup_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT latest_pickup_at_is_valid CHECK (latest_pickup_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  loaded_miles DOUBLE PRECISION NOT NULL CONSTRAINT loaded_miles_is_valid CHECK (loaded_miles BETWEEN 0 AND 25000),
  material_version BIGINT NOT NULL CONSTRAINT material_version_is_valid CHECK (material_version >= 0),
  PRIMARY KEY (agency_id, transport_request_id),
  CONSTRAINT wave_is_valid CHECK (wave >= 0)
);
CREATE INDEX available_trip_visible ON available_trip (agency_id, state, visible_at);

CREATE TABLE ems_agency (
  agency_id UUID NOT NULL,
  service_id UUID NOT NULL,
  name TEXT NOT NULL CONSTRAINT name_is_valid CHECK (char_length(name) BETWEEN 1 AND 200),
  contact_name TEXT CONSTRAINT contact_name_is_valid CHECK (char_length(contact_name) BETWEEN 1 AND 200),
  phone TEXT NOT NULL CONSTRAINT phone_is_valid CHECK (char_length(phone) BETWEEN 1 AND 32),
  email TEXT NOT NULL CONSTRAINT email_is_valid CHECK (char_length(email) BETWEEN 1 AND 254),
  address TEXT NOT NULL CONSTRAINT address_is_valid CHECK (char_length(address) BETWEEN 1 AND 200),
  city TEXT NOT NULL CONSTRAINT city_is_valid CHECK (char_length(city) BETWEEN 1 AND 100),
  state TEXT NOT NULL CONSTRAINT state_is_valid CHECK (char_length(state) BETWEEN 1 AND 2),
  zip_code TEXT NOT NULL CONSTRAINT zip_code_is_valid CHECK (char_length(zip_code) BETWEEN 1 AND 10),
  latitude DOUBLE PRECISION NOT NULL CONSTRAINT latitude_is_valid CHECK (latitude BETWEEN -90 AND 90),
  longitude DOUBLE PRECISION NOT NULL CONSTRAINT longitude_is_valid CHECK (longitude BETWEEN -180 AND 180),
  operating_hours JSONB DEFAULT '[]' NOT NULL,
  levels TEXT[] DEFAULT '{}' NOT NULL CONSTRAINT levels_is_valid CHECK (levels <@ ARRAY['OTHER', 'BLS', 'ALS', 'CCT']::text[]),
  capabilities TEXT[] DEFAULT '{}' NOT NULL CONSTRAINT capabilities_is_valid CHECK (capabilities <@ ARRAY['OXYGEN', 'CARDIAC_MONITOR', 'INFUSION_PUMP', 'VENTILATOR', 'NEONATAL_ISOLETTE', 'BARIATRIC_STRETCHER', 'WHEELCHAIR_LIFT', 'ISOLATION']::text[]),
  status TEXT DEFAULT 'PENDING' NOT NULL CONSTRAINT status_is_valid CHECK (status IN ('PENDING', 'ACTIVE', 'SUSPENDED', 'RETIRED')),
  is_active BOOLEAN GENERATED ALWAYS AS (status = 'ACTIVE') STORED NOT NULL,
  registry_version BIGINT DEFAULT 0 NOT NULL CONSTRAINT registry_version_is_valid CHECK (registry_version >= 0),
  added_by UUID NOT NULL,
  added_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT added_at_is_valid CHECK (added_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  row_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT row_version_is_valid CHECK (row_version >= 0),
  PRIMARY KEY (agency_id)
);

CREATE TABLE ems_route (
  agency_id UUID NOT NULL,
  id UUID NOT NULL,
  route_name TEXT NOT NULL CONSTRAINT route_name_is_valid CHECK (char_length(route_name) BETWEEN 1 AND 200),
  route_type TEXT NOT NULL CONSTRAINT route_type_is_valid CHECK (route_type IN ('OPTIMIZED', 'STANDARD', 'EMERGENCY', 'CUSTOM')),
  distance_miles DOUBLE PRECISION NOT NULL CONSTRAINT distance_miles_is_valid CHECK (distance_miles BETWEEN 0 AND 25000),
  estimated_minutes INTEGER NOT NULL CONSTRAINT estimated_minutes_is_valid CHECK (estimated_minutes >= 0),
  status TEXT DEFAULT 'DRAFT' NOT NULL CONSTRAINT status_is_valid CHECK (status IN ('DRAFT', 'ACTIVE', 'COMPLETED', 'ARCHIVED')),
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  row_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT row_version_is_valid CHECK (row_version >= 0),
  PRIMARY KEY (agency_id, id)
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

CREATE TABLE idempotency_key (
  agency_id UUID NOT NULL,
  principal_id UUID NOT NULL,
  method TEXT NOT NULL CONSTRAINT method_is_valid CHECK (char_length(method) BETWEEN 1 AND 200),
  request_id UUID NOT NULL,
  request_hash BYTEA NOT NULL,
  response BYTEA,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT expires_at_is_valid CHECK (expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (agency_id, principal_id, method, request_id)
);
CREATE INDEX idempotency_key_expiry ON idempotency_key (expires_at);

CREATE TABLE login_email (
  email TEXT NOT NULL CONSTRAINT email_is_valid CHECK (char_length(email) BETWEEN 1 AND 254),
  agency_id UUID NOT NULL,
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
  agency_id UUID NOT NULL,
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
  PRIMARY KEY (agency_id, id)
);
CREATE UNIQUE INDEX notification_once ON notification (agency_id, recipient_user_id, template_name, channel, source_event_id);

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

CREATE TABLE offered_trip (
  hospital_id UUID NOT NULL,
  transport_request_id UUID NOT NULL,
  trip_number TEXT NOT NULL CONSTRAINT trip_number_is_valid CHECK (char_length(trip_number) BETWEEN 1 AND 20),
  transport_level TEXT NOT NULL CONSTRAINT transport_level_is_valid CHECK (transport_level IN ('OTHER', 'BLS', 'ALS', 'CCT')),
  priority TEXT NOT NULL CONSTRAINT priority_is_valid CHECK (priority IN ('LOW', 'MEDIUM', 'HIGH', 'URGENT')),
  required_capabilities TEXT[] NOT NULL CONSTRAINT required_capabilities_is_valid CHECK (required_capabilities <@ ARRAY['OXYGEN', 'CARDIAC_MONITOR', 'INFUSION_PUMP', 'VENTILATOR', 'NEONATAL_ISOLETTE', 'BARIATRIC_STRETCHER', 'WHEELCHAIR_LIFT', 'ISOLATION']::text[]),
  age_band TEXT NOT NULL CONSTRAINT age_band_is_valid CHECK (age_band IN ('NEONATE', 'INFANT', 'CHILD', 'ADULT', 'SENIOR')),
  weight_band TEXT NOT NULL CONSTRAINT weight_band_is_valid CHECK (weight_band IN ('UNDER_300_LB', 'FROM_300_TO_500_LB', 'OVER_500_LB')),
  origin_facility_id UUID NOT NULL,
  destination_facility_id UUID NOT NULL,
  ready_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT ready_at_is_valid CHECK (ready_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  latest_pickup_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT latest_pickup_at_is_valid CHECK (latest_pickup_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  broadcast_at TIMESTAMP WITH TIME ZONE CONSTRAINT broadcast_at_is_valid CHECK (broadcast_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  offer_expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT offer_expires_at_is_valid CHECK (offer_expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  state TEXT DEFAULT 'OPEN' NOT NULL CONSTRAINT state_is_valid CHECK (state IN ('OPEN', 'AWARDED', 'CLOSED')),
  award_token UUID,
  awarded_agency_id UUID,
  awarded_bid_id UUID,
  confirm_deadline_at TIMESTAMP WITH TIME ZONE CONSTRAINT confirm_deadline_at_is_valid CHECK (confirm_deadline_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  material_version BIGINT NOT NULL CONSTRAINT material_version_is_valid CHECK (material_version >= 0),
  trip_version BIGINT NOT NULL CONSTRAINT trip_version_is_valid CHECK (trip_version >= 0),
  PRIMARY KEY (hospital_id, transport_request_id),
  CONSTRAINT award_is_whole CHECK (num_nulls(award_token, awarded_agency_id, awarded_bid_id) IN (0, 3) AND (state <> 'AWARDED' OR award_token IS NOT NULL))
);

CREATE TABLE service_area (
  agency_id UUID NOT NULL,
  id UUID NOT NULL,
  name TEXT NOT NULL CONSTRAINT name_is_valid CHECK (char_length(name) BETWEEN 1 AND 200),
  center_latitude DOUBLE PRECISION NOT NULL CONSTRAINT center_latitude_is_valid CHECK (center_latitude BETWEEN -90 AND 90),
  center_longitude DOUBLE PRECISION NOT NULL CONSTRAINT center_longitude_is_valid CHECK (center_longitude BETWEEN -180 AND 180),
  radius_miles DOUBLE PRECISION NOT NULL CONSTRAINT radius_miles_is_valid CHECK (radius_miles BETWEEN 0 AND 25000),
  is_primary BOOLEAN DEFAULT false NOT NULL,
  is_active BOOLEAN DEFAULT true NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  row_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT row_version_is_valid CHECK (row_version >= 0),
  PRIMARY KEY (agency_id, id)
);
CREATE UNIQUE INDEX service_area_primary ON service_area (agency_id) WHERE is_primary AND is_active;

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

CREATE TABLE ems_route_stop (
  agency_id UUID NOT NULL,
  route_id UUID NOT NULL,
  stop_order INTEGER NOT NULL CONSTRAINT stop_order_is_valid CHECK (stop_order >= 0),
  kind TEXT NOT NULL CONSTRAINT kind_is_valid CHECK (kind IN ('BASE', 'PICKUP', 'DROPOFF')),
  facility_id UUID,
  transport_request_id UUID,
  latitude DOUBLE PRECISION NOT NULL CONSTRAINT latitude_is_valid CHECK (latitude BETWEEN -90 AND 90),
  longitude DOUBLE PRECISION NOT NULL CONSTRAINT longitude_is_valid CHECK (longitude BETWEEN -180 AND 180),
  PRIMARY KEY (agency_id, route_id, stop_order),
  FOREIGN KEY(agency_id, route_id) REFERENCES ems_route (agency_id, id)
);

CREATE TABLE unit (
  agency_id UUID NOT NULL,
  id UUID NOT NULL,
  unit_number TEXT NOT NULL CONSTRAINT unit_number_is_valid CHECK (char_length(unit_number) BETWEEN 1 AND 20),
  type TEXT NOT NULL CONSTRAINT type_is_valid CHECK (type IN ('WHEELCHAIR', 'MEDICAL_TAXI', 'BLS', 'ALS', 'CCT')),
  crew_level TEXT NOT NULL CONSTRAINT crew_level_is_valid CHECK (crew_level IN ('OTHER', 'BLS', 'ALS', 'CCT')),
  effective_level_rank SMALLINT GENERATED ALWAYS AS (LEAST(CASE type WHEN 'WHEELCHAIR' THEN 0 WHEN 'MEDICAL_TAXI' THEN 0 WHEN 'BLS' THEN 1 WHEN 'ALS' THEN 2 WHEN 'CCT' THEN 3 END, CASE crew_level WHEN 'OTHER' THEN 0 WHEN 'BLS' THEN 1 WHEN 'ALS' THEN 2 WHEN 'CCT' THEN 3 END)) STORED NOT NULL,
  capabilities TEXT[] DEFAULT '{}' NOT NULL CONSTRAINT capabilities_is_valid CHECK (capabilities <@ ARRAY['OXYGEN', 'CARDIAC_MONITOR', 'INFUSION_PUMP', 'VENTILATOR', 'NEONATAL_ISOLETTE', 'BARIATRIC_STRETCHER', 'WHEELCHAIR_LIFT', 'ISOLATION']::text[]),
  current_status TEXT DEFAULT 'AVAILABLE' NOT NULL CONSTRAINT current_status_is_valid CHECK (current_status IN ('AVAILABLE', 'RESERVED', 'EN_ROUTE', 'AT_PICKUP', 'TRANSPORTING', 'AT_DESTINATION', 'ON_BREAK', 'OFF_DUTY', 'OUT_OF_SERVICE', 'MAINTENANCE')),
  current_assignment_id UUID,
  shift_start_at TIMESTAMP WITH TIME ZONE CONSTRAINT shift_start_at_is_valid CHECK (shift_start_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  shift_end_at TIMESTAMP WITH TIME ZONE CONSTRAINT shift_end_at_is_valid CHECK (shift_end_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  is_active BOOLEAN DEFAULT true NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  row_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT row_version_is_valid CHECK (row_version >= 0),
  PRIMARY KEY (agency_id, id),
  FOREIGN KEY(agency_id) REFERENCES ems_agency (agency_id),
  CONSTRAINT shift_ends_after_it_starts CHECK (shift_end_at > shift_start_at),
  CONSTRAINT busy_means_on_a_job CHECK ((current_status IN ('RESERVED', 'EN_ROUTE', 'AT_PICKUP', 'TRANSPORTING', 'AT_DESTINATION')) = (current_assignment_id IS NOT NULL)),
  CONSTRAINT retired_means_free CHECK (is_active OR current_assignment_id IS NULL)
);
CREATE UNIQUE INDEX unit_number_once ON unit (agency_id, unit_number) WHERE is_active;

CREATE TABLE ems_agency_user (
  agency_id UUID NOT NULL,
  id UUID NOT NULL,
  email TEXT NOT NULL CONSTRAINT email_is_valid CHECK (char_length(email) BETWEEN 1 AND 254),
  password_hash TEXT CONSTRAINT password_hash_is_valid CHECK (char_length(password_hash) BETWEEN 1 AND 200),
  name TEXT NOT NULL CONSTRAINT name_is_valid CHECK (char_length(name) BETWEEN 1 AND 200),
  role TEXT NOT NULL CONSTRAINT role_is_valid CHECK (role IN ('DISPATCHER', 'CREW', 'BILLING', 'ADMIN')),
  phone TEXT CONSTRAINT phone_is_valid CHECK (char_length(phone) BETWEEN 1 AND 32),
  unit_id UUID,
  is_active BOOLEAN DEFAULT true NOT NULL,
  last_login_at TIMESTAMP WITH TIME ZONE CONSTRAINT last_login_at_is_valid CHECK (last_login_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  row_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT row_version_is_valid CHECK (row_version >= 0),
  PRIMARY KEY (agency_id, id),
  FOREIGN KEY(agency_id) REFERENCES ems_agency (agency_id),
  FOREIGN KEY(agency_id, unit_id) REFERENCES unit (agency_id, id)
);
CREATE UNIQUE INDEX ems_agency_user_email ON ems_agency_user (agency_id, lower(email));

CREATE TABLE unit_availability (
  agency_id UUID NOT NULL,
  id UUID NOT NULL,
  unit_id UUID NOT NULL,
  status TEXT NOT NULL CONSTRAINT status_is_valid CHECK (status IN ('AVAILABLE', 'ON_BREAK', 'OFF_DUTY', 'OUT_OF_SERVICE', 'MAINTENANCE')),
  start_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT start_at_is_valid CHECK (start_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  end_at TIMESTAMP WITH TIME ZONE CONSTRAINT end_at_is_valid CHECK (end_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  notes TEXT CONSTRAINT notes_is_valid CHECK (char_length(notes) BETWEEN 1 AND 500),
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  row_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT row_version_is_valid CHECK (row_version >= 0),
  PRIMARY KEY (agency_id, id),
  FOREIGN KEY(agency_id, unit_id) REFERENCES unit (agency_id, id),
  CONSTRAINT ends_after_it_starts CHECK (end_at > start_at)
);
CREATE UNIQUE INDEX unit_availability_open ON unit_availability (agency_id, unit_id) WHERE end_at IS NULL;

CREATE TABLE unit_location (
  agency_id UUID NOT NULL,
  unit_id UUID NOT NULL,
  latitude DOUBLE PRECISION NOT NULL CONSTRAINT latitude_is_valid CHECK (latitude BETWEEN -90 AND 90),
  longitude DOUBLE PRECISION NOT NULL CONSTRAINT longitude_is_valid CHECK (longitude BETWEEN -180 AND 180),
  fix_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT fix_at_is_valid CHECK (fix_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT received_at_is_valid CHECK (received_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  announced_at TIMESTAMP WITH TIME ZONE CONSTRAINT announced_at_is_valid CHECK (announced_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  announced_version BIGINT DEFAULT 0 NOT NULL CONSTRAINT announced_version_is_valid CHECK (announced_version >= 0),
  PRIMARY KEY (agency_id, unit_id),
  FOREIGN KEY(agency_id, unit_id) REFERENCES unit (agency_id, id)
);

CREATE TABLE one_time_token (
  agency_id UUID NOT NULL,
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  purpose TEXT NOT NULL CONSTRAINT purpose_is_valid CHECK (purpose IN ('INVITATION', 'PASSWORD_RESET')),
  token_hash BYTEA NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT expires_at_is_valid CHECK (expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  used_at TIMESTAMP WITH TIME ZONE CONSTRAINT used_at_is_valid CHECK (used_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (agency_id, id),
  FOREIGN KEY(agency_id, user_id) REFERENCES ems_agency_user (agency_id, id)
);
CREATE UNIQUE INDEX one_time_token_hash ON one_time_token (agency_id, token_hash);

CREATE TABLE transport_bid (
  agency_id UUID NOT NULL,
  id UUID NOT NULL,
  hospital_id UUID NOT NULL,
  transport_request_id UUID NOT NULL,
  bid_amount NUMERIC(12, 2) CONSTRAINT bid_amount_is_valid CHECK (bid_amount >= 0 AND bid_amount <> 'NaN'),
  currency_code TEXT DEFAULT 'USD' NOT NULL CONSTRAINT currency_code_is_valid CHECK (currency_code ~ '^[A-Z]{3}$'),
  estimated_arrival_at TIMESTAMP WITH TIME ZONE CONSTRAINT estimated_arrival_at_is_valid CHECK (estimated_arrival_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  estimated_pickup_at TIMESTAMP WITH TIME ZONE CONSTRAINT estimated_pickup_at_is_valid CHECK (estimated_pickup_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  special_notes TEXT CONSTRAINT special_notes_is_valid CHECK (char_length(special_notes) BETWEEN 1 AND 500),
  unit_level TEXT NOT NULL CONSTRAINT unit_level_is_valid CHECK (unit_level IN ('OTHER', 'BLS', 'ALS', 'CCT')),
  status TEXT DEFAULT 'PENDING' NOT NULL CONSTRAINT status_is_valid CHECK (status IN ('PENDING', 'ACCEPTED', 'REJECTED', 'WITHDRAWN', 'EXPIRED', 'RELEASED')),
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT expires_at_is_valid CHECK (expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  material_version BIGINT NOT NULL CONSTRAINT material_version_is_valid CHECK (material_version >= 0),
  submitted_by_id UUID NOT NULL,
  submitted_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT submitted_at_is_valid CHECK (submitted_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  decided_at TIMESTAMP WITH TIME ZONE CONSTRAINT decided_at_is_valid CHECK (decided_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  row_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT row_version_is_valid CHECK (row_version >= 0),
  PRIMARY KEY (agency_id, id),
  FOREIGN KEY(agency_id, submitted_by_id) REFERENCES ems_agency_user (agency_id, id),
  CONSTRAINT expires_after_it_was_made CHECK (expires_at > submitted_at),
  CONSTRAINT pickup_follows_arrival CHECK (estimated_pickup_at >= estimated_arrival_at)
);
CREATE INDEX transport_bid_expiry ON transport_bid (expires_at) WHERE status = 'PENDING';
CREATE UNIQUE INDEX transport_bid_live ON transport_bid (agency_id, transport_request_id) WHERE status IN ('PENDING', 'ACCEPTED');

CREATE TABLE user_session (
  agency_id UUID NOT NULL,
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  last_used_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT last_used_at_is_valid CHECK (last_used_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT expires_at_is_valid CHECK (expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  revoked_at TIMESTAMP WITH TIME ZONE CONSTRAINT revoked_at_is_valid CHECK (revoked_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  revoke_reason TEXT CONSTRAINT revoke_reason_is_valid CHECK (revoke_reason IN ('LOGOUT', 'EXPIRED', 'TOKEN_REUSED', 'ADMINISTRATOR', 'PASSWORD_CHANGED')),
  ip_address INET,
  user_agent TEXT CONSTRAINT user_agent_is_valid CHECK (char_length(user_agent) BETWEEN 1 AND 300),
  PRIMARY KEY (agency_id, id),
  FOREIGN KEY(agency_id, user_id) REFERENCES ems_agency_user (agency_id, id)
);

CREATE TABLE assignment (
  agency_id UUID NOT NULL,
  id UUID NOT NULL,
  hospital_id UUID NOT NULL,
  transport_request_id UUID NOT NULL,
  bid_id UUID NOT NULL,
  award_token UUID NOT NULL,
  status TEXT DEFAULT 'ACCEPTED' NOT NULL CONSTRAINT status_is_valid CHECK (status IN ('ACCEPTED', 'EN_ROUTE', 'AT_PICKUP', 'IN_TRANSIT', 'AT_DESTINATION', 'COMPLETED', 'DROPPED', 'CANCELLED', 'REVOKED')),
  transport_level TEXT NOT NULL CONSTRAINT transport_level_is_valid CHECK (transport_level IN ('OTHER', 'BLS', 'ALS', 'CCT')),
  required_capabilities TEXT[] DEFAULT '{}' NOT NULL CONSTRAINT required_capabilities_is_valid CHECK (required_capabilities <@ ARRAY['OXYGEN', 'CARDIAC_MONITOR', 'INFUSION_PUMP', 'VENTILATOR', 'NEONATAL_ISOLETTE', 'BARIATRIC_STRETCHER', 'WHEELCHAIR_LIFT', 'ISOLATION']::text[]),
  unit_id UUID,
  planned_unit_id UUID,
  planned_start_at TIMESTAMP WITH TIME ZONE CONSTRAINT planned_start_at_is_valid CHECK (planned_start_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  material_version BIGINT NOT NULL CONSTRAINT material_version_is_valid CHECK (material_version >= 0),
  confirmed_material_version BIGINT NOT NULL CONSTRAINT confirmed_material_version_is_valid CHECK (confirmed_material_version >= 0),
  accepted_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT accepted_at_is_valid CHECK (accepted_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  en_route_at TIMESTAMP WITH TIME ZONE CONSTRAINT en_route_at_is_valid CHECK (en_route_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  arrived_pickup_at TIMESTAMP WITH TIME ZONE CONSTRAINT arrived_pickup_at_is_valid CHECK (arrived_pickup_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  picked_up_at TIMESTAMP WITH TIME ZONE CONSTRAINT picked_up_at_is_valid CHECK (picked_up_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  arrived_destination_at TIMESTAMP WITH TIME ZONE CONSTRAINT arrived_destination_at_is_valid CHECK (arrived_destination_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  completed_at TIMESTAMP WITH TIME ZONE CONSTRAINT completed_at_is_valid CHECK (completed_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  unit_assigned_at TIMESTAMP WITH TIME ZONE CONSTRAINT unit_assigned_at_is_valid CHECK (unit_assigned_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  released_at TIMESTAMP WITH TIME ZONE CONSTRAINT released_at_is_valid CHECK (released_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  release_reason TEXT CONSTRAINT release_reason_is_valid CHECK (char_length(release_reason) BETWEEN 1 AND 64),
  eta_pickup_at TIMESTAMP WITH TIME ZONE CONSTRAINT eta_pickup_at_is_valid CHECK (eta_pickup_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  eta_destination_at TIMESTAMP WITH TIME ZONE CONSTRAINT eta_destination_at_is_valid CHECK (eta_destination_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  deadhead_miles DOUBLE PRECISION CONSTRAINT deadhead_miles_is_valid CHECK (deadhead_miles BETWEEN 0 AND 25000),
  loaded_miles DOUBLE PRECISION CONSTRAINT loaded_miles_is_valid CHECK (loaded_miles BETWEEN 0 AND 25000),
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT created_at_is_valid CHECK (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT updated_at_is_valid CHECK (updated_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  row_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT row_version_is_valid CHECK (row_version >= 0),
  PRIMARY KEY (agency_id, id),
  FOREIGN KEY(agency_id, unit_id) REFERENCES unit (agency_id, id),
  FOREIGN KEY(agency_id, planned_unit_id) REFERENCES unit (agency_id, id),
  FOREIGN KEY(agency_id, bid_id) REFERENCES transport_bid (agency_id, id),
  CONSTRAINT released_means_ended CHECK ((released_at IS NULL) = (status IN ('ACCEPTED', 'EN_ROUTE', 'AT_PICKUP', 'IN_TRANSIT', 'AT_DESTINATION'))),
  CONSTRAINT moving_needs_a_unit CHECK (unit_id IS NOT NULL OR status IN ('ACCEPTED', 'DROPPED', 'CANCELLED', 'REVOKED')),
  CONSTRAINT aboard_means_picked_up CHECK ((picked_up_at IS NOT NULL) = (status IN ('IN_TRANSIT', 'AT_DESTINATION', 'COMPLETED'))),
  CONSTRAINT times_never_decrease CHECK ((en_route_at >= accepted_at) IS NOT FALSE AND (arrived_pickup_at >= accepted_at) IS NOT FALSE AND (picked_up_at >= accepted_at) IS NOT FALSE AND (arrived_destination_at >= accepted_at) IS NOT FALSE AND (completed_at >= accepted_at) IS NOT FALSE AND (arrived_pickup_at >= en_route_at) IS NOT FALSE AND (picked_up_at >= en_route_at) IS NOT FALSE AND (arrived_destination_at >= en_route_at) IS NOT FALSE AND (completed_at >= en_route_at) IS NOT FALSE AND (picked_up_at >= arrived_pickup_at) IS NOT FALSE AND (arrived_destination_at >= arrived_pickup_at) IS NOT FALSE AND (completed_at >= arrived_pickup_at) IS NOT FALSE AND (arrived_destination_at >= picked_up_at) IS NOT FALSE AND (completed_at >= picked_up_at) IS NOT FALSE AND (completed_at >= arrived_destination_at) IS NOT FALSE)
);
CREATE UNIQUE INDEX assignment_award ON assignment (agency_id, award_token);
CREATE UNIQUE INDEX assignment_live_trip ON assignment (agency_id, transport_request_id) WHERE released_at IS NULL;
CREATE UNIQUE INDEX assignment_live_unit ON assignment (agency_id, unit_id) WHERE released_at IS NULL;

CREATE TABLE refresh_token (
  agency_id UUID NOT NULL,
  id UUID NOT NULL,
  session_id UUID NOT NULL,
  token_hash BYTEA NOT NULL,
  issued_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL CONSTRAINT issued_at_is_valid CHECK (issued_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT expires_at_is_valid CHECK (expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  used_at TIMESTAMP WITH TIME ZONE CONSTRAINT used_at_is_valid CHECK (used_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  replaced_by_id UUID,
  PRIMARY KEY (agency_id, id),
  FOREIGN KEY(agency_id, session_id) REFERENCES user_session (agency_id, id)
);
CREATE UNIQUE INDEX refresh_token_hash ON refresh_token (agency_id, token_hash);
CREATE UNIQUE INDEX refresh_token_live ON refresh_token (agency_id, session_id) WHERE used_at IS NULL;

-- A transaction sees the rows of the agency that it has named, and no others.

ALTER TABLE agency_rate ENABLE ROW LEVEL SECURITY;
ALTER TABLE agency_rate FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON agency_rate USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE audit_entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_entry FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_entry USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE available_trip ENABLE ROW LEVEL SECURITY;
ALTER TABLE available_trip FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON available_trip USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE ems_route ENABLE ROW LEVEL SECURITY;
ALTER TABLE ems_route FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON ems_route USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE idempotency_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_key FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON idempotency_key USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE notification ENABLE ROW LEVEL SECURITY;
ALTER TABLE notification FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notification USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE service_area ENABLE ROW LEVEL SECURITY;
ALTER TABLE service_area FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON service_area USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE ems_route_stop ENABLE ROW LEVEL SECURITY;
ALTER TABLE ems_route_stop FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON ems_route_stop USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE unit ENABLE ROW LEVEL SECURITY;
ALTER TABLE unit FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON unit USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE ems_agency_user ENABLE ROW LEVEL SECURITY;
ALTER TABLE ems_agency_user FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON ems_agency_user USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE unit_availability ENABLE ROW LEVEL SECURITY;
ALTER TABLE unit_availability FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON unit_availability USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE unit_location ENABLE ROW LEVEL SECURITY;
ALTER TABLE unit_location FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON unit_location USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE one_time_token ENABLE ROW LEVEL SECURITY;
ALTER TABLE one_time_token FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON one_time_token USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE transport_bid ENABLE ROW LEVEL SECURITY;
ALTER TABLE transport_bid FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON transport_bid USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE user_session ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_session FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON user_session USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE assignment ENABLE ROW LEVEL SECURITY;
ALTER TABLE assignment FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON assignment USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
ALTER TABLE refresh_token ENABLE ROW LEVEL SECURITY;
ALTER TABLE refresh_token FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON refresh_token USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);

-- The service writes rows; what is audited it cannot rewrite.

GRANT SELECT, INSERT, UPDATE ON
  agency_rate,
  assignment,
  available_trip,
  ems_agency,
  ems_agency_user,
  ems_route,
  ems_route_stop,
  facility_directory,
  feature_toggle_copy,
  idempotency_key,
  login_email,
  login_throttle,
  notification,
  notification_template_copy,
  offered_trip,
  one_time_token,
  refresh_token,
  service_area,
  signing_key,
  system_configuration_copy,
  transport_bid,
  trusted_key,
  unit,
  unit_availability,
  unit_location,
  user_session
  TO {service_role};
GRANT DELETE ON
  idempotency_key,
  login_email,
  login_throttle,
  one_time_token,
  refresh_token,
  user_session
  TO {service_role};
GRANT SELECT, INSERT ON audit_entry TO {service_role};
