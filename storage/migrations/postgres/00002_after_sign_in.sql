-- Compatible with: konsulin-bot 0.1 and later.
-- What is needed after a sign-in: the Patient's cases, the contact, the name that WhatsApp shows.

-- +goose Up
CREATE TABLE cases (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    number TEXT NOT NULL,
    why TEXT NOT NULL,
    candidates TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'approved', 'separated', 'closed')),
    chosen TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    decided_at BIGINT,
    decided_by TEXT NOT NULL,
    closed_at BIGINT
);
CREATE UNIQUE INDEX cases_user ON cases (user_id, resource) WHERE state <> 'closed';
CREATE INDEX cases_open ON cases (id) WHERE state = 'open';
CREATE INDEX cases_closed ON cases (closed_at) WHERE state = 'closed';

CREATE TABLE contacts (
    user_id TEXT PRIMARY KEY,
    number TEXT NOT NULL,
    chatwoot_id TEXT NOT NULL,
    at BIGINT NOT NULL
);

CREATE TABLE push_names (
    number TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX push_names_at ON push_names (at);

COMMENT ON COLUMN cases.id IS 'never given twice: an admin names it';
COMMENT ON COLUMN cases.user_id IS 'SuperTokens user who waits';
COMMENT ON COLUMN cases.resource IS 'FHIR type: Patient, Practitioner or Person';
COMMENT ON COLUMN cases.number IS 'digits of the user''s number';
COMMENT ON COLUMN cases.why IS 'foreign: it is another user''s; ambiguous: there are several';
COMMENT ON COLUMN cases.candidates IS 'JSON array of references, such as ["Patient/1"]';
COMMENT ON COLUMN cases.state IS 'where it stands';
COMMENT ON COLUMN cases.chosen IS 'the reference that was approved; empty: none';
COMMENT ON COLUMN cases.opened_at IS 'when it was found, or found again';
COMMENT ON COLUMN cases.decided_at IS 'when a person decided; null: nobody has';
COMMENT ON COLUMN cases.decided_by IS 'who decided; empty: nobody has';
COMMENT ON COLUMN cases.closed_at IS 'when it was settled; null: it is not';
COMMENT ON COLUMN contacts.user_id IS 'SuperTokens user whose contact was made';
COMMENT ON COLUMN contacts.number IS 'digits of the number that it was made with';
COMMENT ON COLUMN contacts.chatwoot_id IS 'empty: accepted without an id';
COMMENT ON COLUMN contacts.at IS 'when it was made';
COMMENT ON COLUMN push_names.number IS 'digits of the number';
COMMENT ON COLUMN push_names.name IS 'what its owner calls themselves in WhatsApp';
COMMENT ON COLUMN push_names.at IS 'when the last login request with it came';
