-- Compatible with: konsulin-bot 0.1 and later.
-- What admins do: blocks, revocations, the pause, questions that wait for a yes, alerts. The audit names people by aliases
-- from here on, so that a number can be forgotten although audit rows never change.

-- +goose Up
CREATE TABLE audit_names (
    number TEXT PRIMARY KEY,
    alias TEXT NOT NULL UNIQUE,
    at BIGINT NOT NULL
);

ALTER TABLE audit ADD COLUMN actor TEXT NOT NULL DEFAULT '';

ALTER TABLE audit DISABLE TRIGGER audit_rows;
INSERT INTO audit_names (number, alias, at)
    SELECT number, replace(gen_random_uuid()::text, '-', ''), MIN(at) FROM audit WHERE number <> '' GROUP BY number;
UPDATE audit SET number = (SELECT n.alias FROM audit_names n WHERE n.number = audit.number) WHERE number <> '';
ALTER TABLE audit ENABLE TRIGGER audit_rows;
CREATE UNIQUE INDEX audit_command ON audit (reply_id) WHERE event = 'command' AND reply_id <> '';
CREATE INDEX audit_actor ON audit (actor, id) WHERE actor <> '';

CREATE TABLE blocks (
    number TEXT PRIMARY KEY,
    until BIGINT NOT NULL,
    reason TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    at BIGINT NOT NULL
);

CREATE TABLE revocations (
    number TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    refused BIGINT NOT NULL CHECK (refused IN (0, 1)),
    by_whom TEXT NOT NULL
);
CREATE INDEX revocations_at ON revocations (at) WHERE refused = 0;

CREATE TABLE pauses (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    since BIGINT NOT NULL,
    reason TEXT NOT NULL,
    by_whom TEXT NOT NULL
);

CREATE TABLE questions (
    asker TEXT PRIMARY KEY,
    hash TEXT NOT NULL,
    command TEXT NOT NULL,
    words TEXT NOT NULL,
    about TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    taken_by TEXT NOT NULL
);
CREATE INDEX questions_expires ON questions (expires_at);

CREATE TABLE alerts (
    name TEXT PRIMARY KEY,
    bad_since BIGINT NOT NULL,
    told BIGINT NOT NULL,
    told_at BIGINT NOT NULL
);

COMMENT ON COLUMN audit_names.number IS 'digits of the number';
COMMENT ON COLUMN audit_names.alias IS 'random; what audit rows call the number';
COMMENT ON COLUMN audit_names.at IS 'when it was given';
COMMENT ON COLUMN blocks.number IS 'digits of the number that gets no links and no sessions';
COMMENT ON COLUMN blocks.until IS 'when it ends by itself; 0: never';
COMMENT ON COLUMN blocks.reason IS 'an admin''s words';
COMMENT ON COLUMN blocks.by_whom IS 'masked number of the admin, or the operator';
COMMENT ON COLUMN blocks.at IS 'when it was blocked';
COMMENT ON COLUMN revocations.number IS 'digits of the number';
COMMENT ON COLUMN revocations.at IS 'links made until then make no session';
COMMENT ON COLUMN revocations.refused IS '1: no new links until lifted';
COMMENT ON COLUMN revocations.by_whom IS 'masked number of the admin, or the operator';
COMMENT ON COLUMN pauses.one IS 'there is one row while the bot is paused, else none';
COMMENT ON COLUMN pauses.since IS 'when the pause began';
COMMENT ON COLUMN pauses.reason IS 'an admin''s words';
COMMENT ON COLUMN pauses.by_whom IS 'masked number of the admin, or the operator';
COMMENT ON COLUMN questions.asker IS 'digits of the admin who was asked whether they mean it';
COMMENT ON COLUMN questions.hash IS 'keyed hash of the code that says yes';
COMMENT ON COLUMN questions.command IS 'name of the command that waits';
COMMENT ON COLUMN questions.words IS 'JSON array: its arguments';
COMMENT ON COLUMN questions.about IS 'digits of the number it is about; empty: none';
COMMENT ON COLUMN questions.expires_at IS 'when it is too late';
COMMENT ON COLUMN questions.taken_by IS 'id of the reply to the message that said yes; empty: nobody has';
COMMENT ON COLUMN alerts.name IS 'what is watched';
COMMENT ON COLUMN alerts.bad_since IS 'when it became bad; 0: it is well';
COMMENT ON COLUMN alerts.told IS 'the value that was told last; 0: well';
COMMENT ON COLUMN alerts.told_at IS 'when it was told';
COMMENT ON COLUMN audit.actor IS 'alias of the admin who did it; empty: nobody, or an operator';
COMMENT ON COLUMN audit.number IS 'alias of whose number, see audit_names; empty: none';
