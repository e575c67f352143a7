-- Compatible with: konsulin-bot 0.1 and later.
-- What admins do: blocks, revocations, the pause, questions that wait for a yes, alerts. The audit names people by aliases
-- from here on, so that a number can be forgotten although audit rows never change.

-- +goose Up
CREATE TABLE audit_names (
    number TEXT    PRIMARY KEY,     -- digits of the number
    alias  TEXT    NOT NULL UNIQUE, -- random; what audit rows call the number
    at     INTEGER NOT NULL         -- when it was given
) STRICT, WITHOUT ROWID;

ALTER TABLE audit ADD COLUMN actor TEXT NOT NULL DEFAULT ''; -- alias of the admin who did it; empty: nobody, or an operator

DROP TRIGGER audit_no_update;
INSERT INTO audit_names (number, alias, at)
    SELECT number, lower(hex(randomblob(16))), MIN(at) FROM audit WHERE number <> '' GROUP BY number;
UPDATE audit SET number = (SELECT n.alias FROM audit_names n WHERE n.number = audit.number) WHERE number <> '';
-- +goose StatementBegin
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit rows are never changed');
END;
-- +goose StatementEnd
CREATE UNIQUE INDEX audit_command ON audit (reply_id) WHERE event = 'command' AND reply_id <> '';
CREATE INDEX audit_actor ON audit (actor, id) WHERE actor <> '';

CREATE TABLE blocks (
    number  TEXT    PRIMARY KEY, -- digits of the number that gets no links and no sessions
    until   INTEGER NOT NULL, -- when it ends by itself; 0: never
    reason  TEXT    NOT NULL, -- an admin's words
    by_whom TEXT    NOT NULL, -- masked number of the admin, or the operator
    at      INTEGER NOT NULL  -- when it was blocked
) STRICT, WITHOUT ROWID;

CREATE TABLE revocations (
    number  TEXT    PRIMARY KEY, -- digits of the number
    at      INTEGER NOT NULL, -- links made until then make no session
    refused INTEGER NOT NULL CHECK (refused IN (0, 1)), -- 1: no new links until lifted
    by_whom TEXT    NOT NULL  -- masked number of the admin, or the operator
) STRICT, WITHOUT ROWID;
CREATE INDEX revocations_at ON revocations (at) WHERE refused = 0;

CREATE TABLE pauses (
    one     INTEGER PRIMARY KEY CHECK (one = 1), -- there is one row while the bot is paused, else none
    since   INTEGER NOT NULL, -- when the pause began
    reason  TEXT    NOT NULL, -- an admin's words
    by_whom TEXT    NOT NULL  -- masked number of the admin, or the operator
) STRICT;

CREATE TABLE questions (
    asker      TEXT    PRIMARY KEY, -- digits of the admin who was asked whether they mean it
    hash       TEXT    NOT NULL, -- keyed hash of the code that says yes
    command    TEXT    NOT NULL, -- name of the command that waits
    words      TEXT    NOT NULL, -- JSON array: its arguments
    about      TEXT    NOT NULL, -- digits of the number it is about; empty: none
    expires_at INTEGER NOT NULL, -- when it is too late
    taken_by   TEXT    NOT NULL  -- id of the reply to the message that said yes; empty: nobody has
) STRICT, WITHOUT ROWID;
CREATE INDEX questions_expires ON questions (expires_at);

CREATE TABLE alerts (
    name      TEXT    PRIMARY KEY, -- what is watched
    bad_since INTEGER NOT NULL, -- when it became bad; 0: it is well
    told      INTEGER NOT NULL, -- the value that was told last; 0: well
    told_at   INTEGER NOT NULL  -- when it was told
) STRICT, WITHOUT ROWID;
