-- Compatible with: konsulin-bot 0.1 and later.
-- What is needed after a sign-in: the Patient's cases, the contact, the name that WhatsApp shows.

-- +goose Up
CREATE TABLE cases (
    id         INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: an admin names it
    user_id    TEXT    NOT NULL, -- SuperTokens user who waits
    resource   TEXT    NOT NULL, -- FHIR type: Patient, Practitioner or Person
    number     TEXT    NOT NULL, -- digits of the user's number
    why        TEXT    NOT NULL, -- foreign: it is another user's; ambiguous: there are several
    candidates TEXT    NOT NULL, -- JSON array of references, such as ["Patient/1"]
    state      TEXT    NOT NULL CHECK (state IN ('open', 'approved', 'separated', 'closed')), -- where it stands
    chosen     TEXT    NOT NULL, -- the reference that was approved; empty: none
    opened_at  INTEGER NOT NULL, -- when it was found, or found again
    decided_at INTEGER,          -- when a person decided; null: nobody has
    decided_by TEXT    NOT NULL, -- who decided; empty: nobody has
    closed_at  INTEGER           -- when it was settled; null: it is not
) STRICT;
CREATE UNIQUE INDEX cases_user ON cases (user_id, resource) WHERE state <> 'closed';
CREATE INDEX cases_open ON cases (id) WHERE state = 'open';
CREATE INDEX cases_closed ON cases (closed_at) WHERE state = 'closed';

CREATE TABLE contacts (
    user_id     TEXT    PRIMARY KEY, -- SuperTokens user whose contact was made
    number      TEXT    NOT NULL, -- digits of the number that it was made with
    chatwoot_id TEXT    NOT NULL, -- empty: accepted without an id
    at          INTEGER NOT NULL  -- when it was made
) STRICT, WITHOUT ROWID;

CREATE TABLE push_names (
    number TEXT    PRIMARY KEY, -- digits of the number
    name   TEXT    NOT NULL, -- what its owner calls themselves in WhatsApp
    at     INTEGER NOT NULL  -- when the last login request with it came
) STRICT, WITHOUT ROWID;
CREATE INDEX push_names_at ON push_names (at);
