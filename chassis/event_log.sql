-- The event log of one silo: every table and function that chassis/ puts into a silo's database.
--
-- Plain SQL for PostgreSQL >= 15: no extension, no superuser, no LISTEN, no advisory lock. The
-- migration role owns all of it. The service logs in as another role, named where this text says
-- {service_role}, and may not rewrite its log nor publish around its outbox.
--
-- No percent sign and no colon-word in this file: some drivers would read them as parameters.

-- ---------------------------------------------------------------- producer: staging

-- Committed events that have no position yet. Normally empty or a few rows long.
CREATE TABLE outbox (
  id              bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,  -- CACHE 1: order matters
  xid             xid8 NOT NULL DEFAULT pg_current_xact_id(),  -- groups one transaction; never exposed
  event_id        uuid NOT NULL UNIQUE,                        -- UUIDv7 made by the application
  type            text NOT NULL,                               -- full name of the payload message
  subject         text NOT NULL,                               -- transport_requests/{id}
  subject_version bigint NOT NULL CHECK (subject_version > 0), -- +1 per event of this subject
  audience        text[] NOT NULL CHECK (cardinality(audience) > 0),
  data            bytea NOT NULL CHECK (octet_length(data) <= 65536),  -- <Silo>Event without placement
  occurred_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (subject, subject_version)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX outbox_xid ON outbox (xid, id);

-- ---------------------------------------------------------------- producer: the log

CREATE TABLE event_log (
  position        bigint NOT NULL PRIMARY KEY,   -- 1, 2, 3 ... with no gap, for ever
  epoch           int    NOT NULL,
  tx_first        bigint NOT NULL,               -- position of the first event of its transaction
  tx_index        int    NOT NULL,               -- 0 .. tx_size - 1
  tx_size         int    NOT NULL,
  event_id        uuid   NOT NULL,
  type            text   NOT NULL,
  subject         text   NOT NULL,
  subject_version bigint NOT NULL,
  audience        text[] NOT NULL,
  data            bytea  NOT NULL,
  occurred_at     timestamptz NOT NULL,
  recorded_at     timestamptz NOT NULL DEFAULT clock_timestamp()
) PARTITION BY RANGE (position);
CREATE INDEX event_log_subject ON event_log (subject, position);
CREATE INDEX event_log_recorded ON event_log USING brin (recorded_at);

CREATE TABLE event_log_head (
  singleton      boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  log_id         uuid   NOT NULL DEFAULT gen_random_uuid(),
  token_key      bytea  NOT NULL DEFAULT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
  epoch          int    NOT NULL DEFAULT 0,
  fingerprint    text   NOT NULL DEFAULT '',
  first_position bigint NOT NULL DEFAULT 1,
  last_position  bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);
INSERT INTO event_log_head DEFAULT VALUES;

-- One row per life of the database server. epoch_id is random because two restored copies may
-- both open "epoch 8"; only the random half tells them apart.
CREATE TABLE event_log_epoch (
  epoch          int PRIMARY KEY,
  epoch_id       uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
  start_position bigint NOT NULL,
  fingerprint    text NOT NULL,
  opened_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Who reads this log: lag for dashboards, and holds that keep old partitions alive.
CREATE TABLE event_subscriber (
  name           text PRIMARY KEY,
  retention_hold boolean NOT NULL DEFAULT false,   -- set by configuration, never by a subscriber
  epoch          int NOT NULL DEFAULT 0,
  position       bigint NOT NULL DEFAULT 0,
  reported_at    timestamptz
);

-- Which life of which server this is: differs after a restart, promotion, point-in-time recovery,
-- copied data directory or dump/restore. (pg_control_checkpoint() still shows the old timeline
-- right after a promotion, and pg_control_system() costs half a millisecond: use neither.)
CREATE FUNCTION event_log_fingerprint() RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT concat_ws('/', substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8),
                   extract(epoch FROM pg_postmaster_start_time()),
                   (SELECT oid FROM pg_database WHERE datname = current_database()))
$$;

-- The sequencer: move up to about `batch` committed events from the outbox into the log.
-- One call in autocommit is one transaction that lives inside the server, so a paused or
-- vanished client cannot keep the head locked.
CREATE FUNCTION event_log_tick(batch int DEFAULT 200, OUT moved bigint, OUT head bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  h    event_log_head;
  here text := event_log_fingerprint();
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed'
     OR current_setting('synchronous_commit') IN ('off', 'local') THEN
    RAISE 'event_log_tick needs READ COMMITTED and a durable commit';
  END IF;

  SELECT * INTO STRICT h FROM event_log_head;                   -- asking costs no lock
  IF h.fingerprint = here AND NOT EXISTS (SELECT FROM outbox) THEN
    moved := 0; head := h.last_position;
    RETURN;
  END IF;

  SELECT * INTO STRICT h FROM event_log_head FOR UPDATE;        -- one sequencer at a time

  IF h.fingerprint <> here THEN                                 -- another life: another epoch
    h.epoch := h.epoch + 1;
    INSERT INTO event_log_epoch (epoch, start_position, fingerprint)
    VALUES (h.epoch, h.last_position + 1, here);
    UPDATE event_log_head SET epoch = h.epoch, fingerprint = here;
  END IF;

  -- A new statement, hence a snapshot taken after the lock was won.
  WITH oldest AS (                -- the only walk over the outbox
    SELECT id, xid FROM outbox ORDER BY id LIMIT batch
  ), started AS (                 -- their transactions, each with its last id
    SELECT x.xid, (SELECT max(o.id) FROM outbox o WHERE o.xid = x.xid) AS last_id
      FROM (SELECT DISTINCT xid FROM oldest) x
  ), cut AS (                     -- far enough that at least one whole transaction fits below it
    SELECT max(id) AS low, greatest(max(id), (SELECT min(last_id) FROM started)) AS id FROM oldest
  ), beyond AS (                  -- empty, unless the cut had to be moved
    SELECT DISTINCT o.xid FROM outbox o, cut WHERE o.id > cut.low AND o.id <= cut.id
  ), whole AS (                   -- THE RULE: only transactions whose last id is not above the cut
    SELECT s.* FROM (TABLE started UNION
                     SELECT b.xid, (SELECT max(o.id) FROM outbox o WHERE o.xid = b.xid) FROM beyond b) s
      JOIN cut ON s.last_id <= cut.id
  ), taken AS (
    DELETE FROM outbox o USING whole w WHERE o.xid = w.xid RETURNING o.*, w.last_id
  ), numbered AS (                -- and in the order of their last ids
    SELECT t.*, h.last_position + row_number() OVER (ORDER BY last_id, id) AS pos,
           row_number() OVER (PARTITION BY xid ORDER BY id) - 1 AS i,
           count(*) OVER (PARTITION BY xid) AS n
      FROM taken t
  )
  INSERT INTO event_log (position, epoch, tx_first, tx_index, tx_size, event_id, type, subject,
                         subject_version, audience, data, occurred_at)
  SELECT pos, h.epoch, pos - i, i, n, event_id, type, subject, subject_version, audience, data, occurred_at
    FROM numbered;

  GET DIAGNOSTICS moved = ROW_COUNT;
  head := h.last_position + moved;
  IF moved > 0 THEN
    UPDATE event_log_head SET last_position = head;
  END IF;
END $$;

-- Keep `ahead` empty partitions beyond the head. ATTACH, unlike CREATE ... PARTITION OF, does not
-- block readers or the sequencer.
CREATE FUNCTION event_log_extend(ahead int DEFAULT 2, size bigint DEFAULT 1000000) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
  n bigint; made int := 0;
BEGIN
  LOCK TABLE event_log IN SHARE UPDATE EXCLUSIVE MODE;
  SELECT last_position / size INTO n FROM event_log_head;
  FOR i IN n .. n + ahead LOOP
    CONTINUE WHEN to_regclass('event_log_p' || i) IS NOT NULL;
    EXECUTE 'CREATE TABLE event_log_p' || i || ' (LIKE event_log INCLUDING DEFAULTS)';
    EXECUTE 'ALTER TABLE event_log ATTACH PARTITION event_log_p' || i
         || ' FOR VALUES FROM (' || i * size || ') TO (' || (i + 1) * size || ')';
    made := made + 1;
  END LOOP;
  RETURN made;
END $$;

-- Drop whole partitions that are older than `keep` and that no hold needs, and after `hard_cap`
-- drop them anyway. first_position moves in the same transaction as the drop.
CREATE FUNCTION event_log_trim(keep interval DEFAULT '14 days', hard_cap interval DEFAULT '30 days',
                               size bigint DEFAULT 1000000) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
  h event_log_head; held bigint; n bigint; newest timestamptz;
BEGIN
  SELECT * INTO STRICT h FROM event_log_head FOR UPDATE;
  SELECT min(position) INTO held FROM event_subscriber WHERE retention_hold;
  LOOP
    n := h.first_position / size;
    EXIT WHEN (n + 1) * size > h.last_position;                 -- never the one being written
    SELECT recorded_at INTO newest FROM event_log WHERE position = (n + 1) * size - 1;
    EXIT WHEN newest > clock_timestamp() - keep
           OR (held < (n + 1) * size - 1 AND newest > clock_timestamp() - hard_cap);
    EXECUTE 'DROP TABLE event_log_p' || n;
    h.first_position := (n + 1) * size;
    UPDATE event_log_head SET first_position = h.first_position;
  END LOOP;
  RETURN h.first_position;
END $$;

SELECT event_log_extend();

-- ---------------------------------------------------------------- consumer: in the consumer's database

CREATE TABLE consumer_checkpoint (
  consumer     text NOT NULL,                    -- ems.transport_requests
  source       text NOT NULL,                    -- hospital
  log_id       uuid,
  epoch        int    NOT NULL DEFAULT 0,
  position     bigint NOT NULL DEFAULT 0,        -- every event up to here has had its effect
  resume_token bytea,                            -- of the last frame applied to its end
  lease_holder text,
  lease_term   bigint NOT NULL DEFAULT 0,        -- the fence: +1 on every change of holder
  lease_until  timestamptz NOT NULL DEFAULT '-infinity',
  state        text NOT NULL DEFAULT 'RUNNING' CHECK (state IN ('RUNNING', 'REBUILDING', 'HALTED')),
  state_reason text,
  updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer, source)
) WITH (fillfactor = 50);

CREATE TABLE consumer_dead_letter (
  consumer        text NOT NULL,
  source          text NOT NULL,
  epoch           int NOT NULL,
  position        bigint NOT NULL,
  subject         text NOT NULL,
  type            text NOT NULL,
  event           bytea NOT NULL,                -- the event exactly as received
  state           text NOT NULL DEFAULT 'PARKED' CHECK (state IN ('PARKED', 'RETRY', 'DISCARDED')),
  reason          text NOT NULL,                 -- error class and code, or BEHIND_PARKED
  attempts        int NOT NULL,
  first_failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  resolved_by     text,
  PRIMARY KEY (consumer, source, epoch, position)
);
CREATE INDEX consumer_dead_letter_open ON consumer_dead_letter (consumer, source, subject)
  WHERE state <> 'DISCARDED';

-- Subjects met while rebuilding from a snapshot; what is not met is swept at the end.
CREATE TABLE consumer_snapshot_subject (
  consumer text NOT NULL,
  source   text NOT NULL,
  subject  text NOT NULL,
  PRIMARY KEY (consumer, source, subject)
);

-- ---------------------------------------------------------------- who may

REVOKE EXECUTE ON FUNCTION event_log_tick, event_log_extend, event_log_trim FROM PUBLIC;
GRANT EXECUTE ON FUNCTION event_log_tick, event_log_extend, event_log_trim TO {service_role};
-- It may read the outbox too, because the age of what waits there is an alarm.
GRANT SELECT, INSERT ON outbox TO {service_role};
GRANT SELECT ON event_log, event_log_head, event_log_epoch TO {service_role};
GRANT SELECT, INSERT, UPDATE ON event_subscriber, consumer_checkpoint TO {service_role};
GRANT SELECT, INSERT, UPDATE, DELETE ON consumer_dead_letter TO {service_role};
GRANT SELECT, INSERT, DELETE ON consumer_snapshot_subject TO {service_role};
