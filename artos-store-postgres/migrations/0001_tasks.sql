-- Tasks, the labels to find them by, and the clock that decides about them.

-- Microseconds since 1970, as the server's clock tells them: every lease and due time is decided by
-- this function alone.
CREATE FUNCTION {schema}.now_micros() RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT round(extract(epoch FROM statement_timestamp()) * 1000000)::bigint $$;

-- One row for each task. What is short rides along with its row; Postgres itself keeps payloads of
-- more than about 2 kB apart, and does not write them again when the rest of the row changes.
--
-- All times are microseconds since 1970. The numbers of states, outcomes and causes are in the
-- comments below.
CREATE TABLE {schema}.tasks (
    created_at bigint NOT NULL,
    stage_entered_at bigint NOT NULL,
    run_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    epoch bigint NOT NULL DEFAULT 0,
    revision bigint NOT NULL DEFAULT 1,
    id uuid NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    snoozes integer NOT NULL DEFAULT 0,
    interrupts integer NOT NULL DEFAULT 0,
    state smallint NOT NULL DEFAULT 0,
    priority smallint NOT NULL,
    cancel_requested boolean NOT NULL DEFAULT false,
    kind text COLLATE "C" NOT NULL,
    queue text COLLATE "C" NOT NULL,
    tenant text COLLATE "C",
    labels jsonb,
    idempotency_key text COLLATE "C",
    key_digest uuid,
    retry_of uuid,
    expires_at bigint,
    started_at bigint,
    finished_at bigint,
    stage text COLLATE "C",
    lease_worker uuid,
    lease_call bigint,
    lease_until bigint,
    settled_by smallint,
    progress_stage text,
    progress_number bigint,
    progress_count bigint,
    progress_percent smallint,
    progress_message text,
    progress_at bigint,
    failure_cause smallint,
    failure_stage text,
    failure_attempt bigint,
    failure_message text,
    failure_at bigint,
    input bytea NOT NULL,
    checkpoint bytea,
    output bytea,
    CONSTRAINT tasks_pkey PRIMARY KEY (id)
) WITH (
    -- Room for the next version of a row beside the one before, so that heartbeats and checkpoints
    -- touch no index.
    fillfactor = 70,
    toast_tuple_target = 128,
    -- A queue makes a dead row with every step of a task; they go while there are few.
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.05
);

COMMENT ON COLUMN {schema}.tasks.state IS
    '0 pending, 1 running, 2 completed, 3 failed, 4 cancelled';
COMMENT ON COLUMN {schema}.tasks.settled_by IS
    '0 advance, 1 complete, 2 retry, 3 snooze, 4 fail, 5 cancel, 6 interrupt';
COMMENT ON COLUMN {schema}.tasks.failure_cause IS
    '0 error, 1 fatal, 2 panic, 3 timeout, 4 lease lost, 5 undecodable, 6 unstorable, '
    '7 unknown kind, 8 unknown stage, 9 never finished, 10 expired';
COMMENT ON COLUMN {schema}.tasks.key_digest IS
    'the first 16 bytes of a SHA-256 of tenant, kind and idempotency key';

-- For claims.
CREATE INDEX tasks_due ON {schema}.tasks (queue, priority DESC, run_at, id) WHERE state = 0;
-- For rescues, for listings by state, and for counts.
CREATE INDEX tasks_state ON {schema}.tasks (state, id);
-- For prunes, and for listings and counts by queue.
CREATE INDEX tasks_ended ON {schema}.tasks (queue, state, finished_at) WHERE state >= 2;
-- For listings. The few tasks that run are found by their state, so that a claim leaves this alone.
CREATE INDEX tasks_kind ON {schema}.tasks (kind, id) INCLUDE (state) WHERE state <> 1;
CREATE INDEX tasks_tenant ON {schema}.tasks (tenant, id) INCLUDE (state, kind)
    WHERE tenant IS NOT NULL;
-- At most one task for each idempotency key.
CREATE UNIQUE INDEX tasks_key ON {schema}.tasks (key_digest) WHERE key_digest IS NOT NULL;

-- One row for each label of each task, so that a task is found by it without an index that every
-- step of the task would have to touch.
CREATE TABLE {schema}.labels (
    key text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    CONSTRAINT labels_pkey PRIMARY KEY (key, value, id)
);
