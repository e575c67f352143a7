-- Compatible with: konsulin-bot 0.1 and later.
-- Numbers that are being erased: they get no links meanwhile, and a crash in the middle is made up for.

-- +goose Up
CREATE TABLE erasures (
    reply_id TEXT    PRIMARY KEY, -- id of the answer to the command that asked for it
    number   TEXT    NOT NULL, -- digits of the number while it is being erased; empty: it is erased
    hidden   TEXT    NOT NULL, -- JSON array of its hidden WhatsApp ids; empty: it is erased
    remains  TEXT    NOT NULL, -- JSON: what lives in other systems, for the answer; empty until it is erased
    at       INTEGER NOT NULL -- when it began
) STRICT, WITHOUT ROWID;
CREATE INDEX erasures_number ON erasures (number) WHERE number <> '';

-- +goose Down
DROP TABLE erasures;
