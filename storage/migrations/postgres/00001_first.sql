-- Compatible with: konsulin-bot 0.1 and later.
-- Times are milliseconds since 1970, UTC, unless the column says otherwise. Numbers are digits, country code first.

-- +goose Up
CREATE TABLE messages (
    sender TEXT NOT NULL,
    id TEXT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    refused TEXT NOT NULL,
    PRIMARY KEY (sender, id)
);
CREATE INDEX messages_at ON messages (at);

CREATE TABLE jobs (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    serial TEXT,
    payload BYTEA NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('ready', 'running', 'done', 'dead')),
    attempts BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    owner TEXT,
    lease_until BIGINT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    reason TEXT NOT NULL,
    user_id TEXT
);
CREATE UNIQUE INDEX jobs_key ON jobs (kind, key);
CREATE UNIQUE INDEX jobs_serial_running ON jobs (serial) WHERE state = 'running';
CREATE INDEX jobs_serial_ready ON jobs (serial, id) WHERE state = 'ready';
CREATE INDEX jobs_due ON jobs (kind, run_at, id) WHERE state = 'ready';
CREATE INDEX jobs_lease ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_done ON jobs (finished_at) WHERE state = 'done';
CREATE INDEX jobs_dead ON jobs (finished_at) WHERE state = 'dead';

CREATE TABLE links (
    reply_id TEXT PRIMARY KEY,
    code_id TEXT NOT NULL,
    pre_auth_hash TEXT NOT NULL UNIQUE,
    number TEXT NOT NULL,
    sealed BYTEA,
    requested_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'consuming', 'consumed', 'revoked')),
    alone BIGINT NOT NULL CHECK (alone IN (0, 1))
);
CREATE INDEX links_number ON links (number, requested_at);
CREATE INDEX links_open ON links (number) WHERE state = 'open';
CREATE INDEX links_sealed ON links (expires_at) WHERE sealed IS NOT NULL;
CREATE INDEX links_created ON links (created_at);

CREATE TABLE intents (
    id TEXT PRIMARY KEY,
    reply_id TEXT NOT NULL,
    code_id TEXT NOT NULL,
    number TEXT NOT NULL,
    guest TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    pre_auth TEXT NOT NULL,
    closed_at BIGINT,
    outcome TEXT NOT NULL
);
CREATE UNIQUE INDEX intents_one_open ON intents (reply_id) WHERE closed_at IS NULL;
CREATE INDEX intents_open ON intents (started_at) WHERE closed_at IS NULL;
CREATE INDEX intents_closed ON intents (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE budgets (
    key TEXT PRIMARY KEY,
    tat BIGINT NOT NULL,
    holder TEXT NOT NULL
);
CREATE INDEX budgets_tat ON budgets (tat);

CREATE TABLE chats (
    chat TEXT PRIMARY KEY,
    human_at BIGINT NOT NULL
);
CREATE INDEX chats_human ON chats (human_at);

CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    event TEXT NOT NULL,
    number TEXT NOT NULL,
    user_id TEXT NOT NULL,
    reply_id TEXT NOT NULL,
    intent_id TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE UNIQUE INDEX audit_sign_in ON audit (intent_id) WHERE event = 'sign-in';
CREATE INDEX audit_user ON audit (user_id, id) WHERE user_id <> '';
CREATE INDEX audit_number ON audit (number, id) WHERE number <> '';
CREATE INDEX audit_at ON audit (at);

CREATE TABLE audit_horizon (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    keep_since BIGINT NOT NULL
);
INSERT INTO audit_horizon (one, keep_since) VALUES (1, 0);

CREATE TABLE line_owner (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    epoch BIGINT NOT NULL,
    holder TEXT NOT NULL,
    pid BIGINT NOT NULL,
    host TEXT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL
);
INSERT INTO line_owner (one, epoch, holder, pid, host, since, until) VALUES (1, 0, '', 0, '', 0, 0);

-- +goose StatementBegin
CREATE FUNCTION audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'audit rows are never changed';
    ELSIF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'audit rows are deleted by retention only';
    ELSIF OLD.at >= (SELECT keep_since FROM audit_horizon) THEN
        RAISE EXCEPTION 'audit rows are deleted by retention only';
    END IF;
    RETURN OLD;
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION audit_horizon_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'the horizon of the audit stays';
    ELSIF NEW.keep_since < OLD.keep_since OR NEW.one <> OLD.one THEN
        RAISE EXCEPTION 'the horizon of the audit only moves forward';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_rows BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_guard();
CREATE TRIGGER audit_all BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_guard();
CREATE TRIGGER audit_horizon_rows BEFORE UPDATE OR DELETE ON audit_horizon
    FOR EACH ROW EXECUTE FUNCTION audit_horizon_guard();
CREATE TRIGGER audit_horizon_all BEFORE TRUNCATE ON audit_horizon
    FOR EACH STATEMENT EXECUTE FUNCTION audit_horizon_guard();

COMMENT ON COLUMN messages.sender IS 'digits of the number, or the hidden address of a stranger';
COMMENT ON COLUMN messages.id IS 'WhatsApp''s message id, unique per sender';
COMMENT ON COLUMN messages.at IS 'when the message was accepted';
COMMENT ON COLUMN messages.kind IS 'login, command, other, stranger: for counting';
COMMENT ON COLUMN messages.refused IS 'the one reason why it got no answer; empty: none';
COMMENT ON COLUMN jobs.id IS 'never given twice: the order within a serial';
COMMENT ON COLUMN jobs.kind IS 'what to do';
COMMENT ON COLUMN jobs.key IS 'unique within the kind';
COMMENT ON COLUMN jobs.serial IS 'jobs of one serial run one at a time, in the order of id; null: no order';
COMMENT ON COLUMN jobs.payload IS 'JSON of who added it; emptied when the job is done';
COMMENT ON COLUMN jobs.state IS 'where it stands';
COMMENT ON COLUMN jobs.attempts IS 'runs that counted and did not succeed';
COMMENT ON COLUMN jobs.run_at IS 'not before';
COMMENT ON COLUMN jobs.owner IS 'who holds the lease; null: nobody';
COMMENT ON COLUMN jobs.lease_until IS 'when others may take it; null: no lease';
COMMENT ON COLUMN jobs.created_at IS 'when it was added';
COMMENT ON COLUMN jobs.finished_at IS 'when it became done or dead';
COMMENT ON COLUMN jobs.reason IS 'why the last run did not succeed; an operator''s sentence';
COMMENT ON COLUMN jobs.user_id IS 'SuperTokens user whose sign-in asked for it; null: none';
COMMENT ON COLUMN links.reply_id IS 'the message id that carries the link';
COMMENT ON COLUMN links.code_id IS 'SuperTokens'' id of the code';
COMMENT ON COLUMN links.pre_auth_hash IS 'SHA-256 (hex) of preAuthSessionId';
COMMENT ON COLUMN links.number IS 'whose link it is';
COMMENT ON COLUMN links.sealed IS 'the link, encrypted; null once it is spent or expired';
COMMENT ON COLUMN links.requested_at IS 'when the user sent the request';
COMMENT ON COLUMN links.created_at IS 'when the link was made';
COMMENT ON COLUMN links.expires_at IS 'when the core forgets the code';
COMMENT ON COLUMN links.state IS 'where it stands';
COMMENT ON COLUMN links.alone IS '1: the number''s other codes are revoked';
COMMENT ON COLUMN intents.id IS 'random';
COMMENT ON COLUMN intents.reply_id IS 'of the link';
COMMENT ON COLUMN intents.code_id IS 'SuperTokens'' id of the code';
COMMENT ON COLUMN intents.number IS 'whose link it is';
COMMENT ON COLUMN intents.guest IS 'guest id of the browser; empty: none, or closed';
COMMENT ON COLUMN intents.started_at IS 'when the consumption began';
COMMENT ON COLUMN intents.expires_at IS 'of the link';
COMMENT ON COLUMN intents.pre_auth IS 'preAuthSessionId, to ask the core about the code; emptied when closed';
COMMENT ON COLUMN intents.closed_at IS 'null: open';
COMMENT ON COLUMN intents.outcome IS 'recorded, reopened or revoked; empty while open';
COMMENT ON COLUMN budgets.key IS 'whose rate';
COMMENT ON COLUMN budgets.tat IS 'theoretical arrival time of the next event, in nanoseconds since 1970: full before it';
COMMENT ON COLUMN budgets.holder IS 'the work that spent last';
COMMENT ON COLUMN chats.chat IS 'digits of the other side''s number, or its hidden address';
COMMENT ON COLUMN chats.human_at IS 'when a human last wrote from the account';
COMMENT ON COLUMN facts.name IS 'what about the database is told';
COMMENT ON COLUMN facts.value IS 'what all processes must agree on';
COMMENT ON COLUMN audit.id IS 'in the order of writing';
COMMENT ON COLUMN audit.at IS 'when it happened';
COMMENT ON COLUMN audit.event IS 'what happened';
COMMENT ON COLUMN audit.number IS 'whose number; empty: none';
COMMENT ON COLUMN audit.user_id IS 'SuperTokens user id; empty: none';
COMMENT ON COLUMN audit.reply_id IS 'the link it is about; empty: none';
COMMENT ON COLUMN audit.intent_id IS 'the intent it is about; empty: none';
COMMENT ON COLUMN audit.detail IS 'JSON object, without secrets or message text';
COMMENT ON COLUMN audit_horizon.one IS 'there is one row';
COMMENT ON COLUMN audit_horizon.keep_since IS 'audit rows older than this may be deleted; moves forward only';
COMMENT ON COLUMN line_owner.one IS 'there is one row';
COMMENT ON COLUMN line_owner.epoch IS 'grows with every new holder; what a former holder is fenced by';
COMMENT ON COLUMN line_owner.holder IS 'random name of the holding process; empty: nobody';
COMMENT ON COLUMN line_owner.pid IS 'process id of the holder';
COMMENT ON COLUMN line_owner.host IS 'host of the holder';
COMMENT ON COLUMN line_owner.since IS 'when it took the line, by the clock of the database';
COMMENT ON COLUMN line_owner.until IS 'when others may take the line, by the clock of the database';
