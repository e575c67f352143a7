-- Compatible with: konsulin-bot 0.1 and later.
-- Times are milliseconds since 1970, UTC, unless the column says otherwise. Numbers are digits, country code first.

-- +goose Up
CREATE TABLE messages (
    sender  TEXT    NOT NULL, -- digits of the number, or the hidden address of a stranger
    id      TEXT    NOT NULL, -- WhatsApp's message id, unique per sender
    at      INTEGER NOT NULL, -- when the message was accepted
    kind    TEXT    NOT NULL, -- login, command, other, stranger: for counting
    refused TEXT    NOT NULL, -- the one reason why it got no answer; empty: none
    PRIMARY KEY (sender, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX messages_at ON messages (at);

CREATE TABLE jobs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: the order within a serial
    kind        TEXT    NOT NULL, -- what to do
    key         TEXT    NOT NULL, -- unique within the kind
    serial      TEXT,             -- jobs of one serial run one at a time, in the order of id; null: no order
    payload     BLOB    NOT NULL, -- JSON of who added it; emptied when the job is done
    state       TEXT    NOT NULL CHECK (state IN ('ready', 'running', 'done', 'dead')), -- where it stands
    attempts    INTEGER NOT NULL, -- runs that counted and did not succeed
    run_at      INTEGER NOT NULL, -- not before
    owner       TEXT,             -- who holds the lease; null: nobody
    lease_until INTEGER,          -- when others may take it; null: no lease
    created_at  INTEGER NOT NULL, -- when it was added
    finished_at INTEGER,          -- when it became done or dead
    reason      TEXT    NOT NULL, -- why the last run did not succeed; an operator's sentence
    user_id     TEXT              -- SuperTokens user whose sign-in asked for it; null: none
) STRICT;
CREATE UNIQUE INDEX jobs_key ON jobs (kind, key);
CREATE UNIQUE INDEX jobs_serial_running ON jobs (serial) WHERE state = 'running';
CREATE INDEX jobs_serial_ready ON jobs (serial, id) WHERE state = 'ready';
CREATE INDEX jobs_due ON jobs (kind, run_at, id) WHERE state = 'ready';
CREATE INDEX jobs_lease ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_done ON jobs (finished_at) WHERE state = 'done';
CREATE INDEX jobs_dead ON jobs (finished_at) WHERE state = 'dead';

CREATE TABLE links (
    reply_id      TEXT    PRIMARY KEY, -- the message id that carries the link
    code_id       TEXT    NOT NULL, -- SuperTokens' id of the code
    pre_auth_hash TEXT    NOT NULL UNIQUE, -- SHA-256 (hex) of preAuthSessionId
    number        TEXT    NOT NULL, -- whose link it is
    sealed        BLOB,             -- the link, encrypted; null once it is spent or expired
    requested_at  INTEGER NOT NULL, -- when the user sent the request
    created_at    INTEGER NOT NULL, -- when the link was made
    expires_at    INTEGER NOT NULL, -- when the core forgets the code
    state         TEXT    NOT NULL CHECK (state IN ('open', 'consuming', 'consumed', 'revoked')), -- where it stands
    alone         INTEGER NOT NULL CHECK (alone IN (0, 1)) -- 1: the number's other codes are revoked
) STRICT, WITHOUT ROWID;
CREATE INDEX links_number ON links (number, requested_at);
CREATE INDEX links_open ON links (number) WHERE state = 'open';
CREATE INDEX links_sealed ON links (expires_at) WHERE sealed IS NOT NULL;
CREATE INDEX links_created ON links (created_at);

CREATE TABLE intents (
    id         TEXT    PRIMARY KEY, -- random
    reply_id   TEXT    NOT NULL, -- of the link
    code_id    TEXT    NOT NULL, -- SuperTokens' id of the code
    number     TEXT    NOT NULL, -- whose link it is
    guest      TEXT    NOT NULL, -- guest id of the browser; empty: none, or closed
    started_at INTEGER NOT NULL, -- when the consumption began
    expires_at INTEGER NOT NULL, -- of the link
    pre_auth   TEXT    NOT NULL, -- preAuthSessionId, to ask the core about the code; emptied when closed
    closed_at  INTEGER,          -- null: open
    outcome    TEXT    NOT NULL  -- recorded, reopened or revoked; empty while open
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX intents_one_open ON intents (reply_id) WHERE closed_at IS NULL;
CREATE INDEX intents_open ON intents (started_at) WHERE closed_at IS NULL;
CREATE INDEX intents_closed ON intents (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE budgets (
    key    TEXT    PRIMARY KEY, -- whose rate
    tat    INTEGER NOT NULL, -- theoretical arrival time of the next event, in nanoseconds since 1970: full before it
    holder TEXT    NOT NULL  -- the work that spent last
) STRICT, WITHOUT ROWID;
CREATE INDEX budgets_tat ON budgets (tat);

CREATE TABLE chats (
    chat     TEXT    PRIMARY KEY, -- digits of the other side's number, or its hidden address
    human_at INTEGER NOT NULL -- when a human last wrote from the account
) STRICT, WITHOUT ROWID;
CREATE INDEX chats_human ON chats (human_at);

CREATE TABLE facts (
    name  TEXT PRIMARY KEY, -- what about the database is told
    value TEXT NOT NULL     -- what all processes must agree on
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id        INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order of writing
    at        INTEGER NOT NULL, -- when it happened
    event     TEXT    NOT NULL, -- what happened
    number    TEXT    NOT NULL, -- whose number; empty: none
    user_id   TEXT    NOT NULL, -- SuperTokens user id; empty: none
    reply_id  TEXT    NOT NULL, -- the link it is about; empty: none
    intent_id TEXT    NOT NULL, -- the intent it is about; empty: none
    detail    TEXT    NOT NULL  -- JSON object, without secrets or message text
) STRICT;
CREATE UNIQUE INDEX audit_sign_in ON audit (intent_id) WHERE event = 'sign-in';
CREATE INDEX audit_user ON audit (user_id, id) WHERE user_id <> '';
CREATE INDEX audit_number ON audit (number, id) WHERE number <> '';
CREATE INDEX audit_at ON audit (at);

CREATE TABLE audit_horizon (
    one        INTEGER PRIMARY KEY CHECK (one = 1), -- there is one row
    keep_since INTEGER NOT NULL -- audit rows older than this may be deleted; moves forward only
) STRICT;
INSERT INTO audit_horizon (one, keep_since) VALUES (1, 0);

-- +goose StatementBegin
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit rows are never changed');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
WHEN OLD.at >= (SELECT keep_since FROM audit_horizon)
BEGIN
    SELECT RAISE(ABORT, 'audit rows are deleted by retention only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'audit rows are never changed');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_horizon_forward BEFORE UPDATE ON audit_horizon
WHEN NEW.keep_since < OLD.keep_since OR NEW.one <> OLD.one
BEGIN
    SELECT RAISE(ABORT, 'the horizon of the audit only moves forward');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_horizon_stays BEFORE DELETE ON audit_horizon
BEGIN
    SELECT RAISE(ABORT, 'the horizon of the audit stays');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_horizon_once BEFORE INSERT ON audit_horizon
WHEN EXISTS (SELECT 1 FROM audit_horizon)
BEGIN
    SELECT RAISE(ABORT, 'the horizon of the audit stays');
END;
-- +goose StatementEnd
