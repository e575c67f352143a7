-- Compatible with: konsulin-bot 0.1 and later.
-- Numbers that are being erased: they get no links meanwhile, and a crash in the middle is made up for.

-- +goose Up
CREATE TABLE erasures (
    reply_id TEXT    PRIMARY KEY,
    number   TEXT    NOT NULL,
    hidden   TEXT    NOT NULL,
    remains  TEXT    NOT NULL,
    at       BIGINT  NOT NULL
);
CREATE INDEX erasures_number ON erasures (number) WHERE number <> '';
COMMENT ON COLUMN erasures.reply_id IS 'id of the answer to the command that asked for it';
COMMENT ON COLUMN erasures.number IS 'digits of the number while it is being erased; empty: it is erased';
COMMENT ON COLUMN erasures.hidden IS 'JSON array of its hidden WhatsApp ids; empty: it is erased';
COMMENT ON COLUMN erasures.remains IS 'JSON: what lives in other systems, for the answer; empty until it is erased';
COMMENT ON COLUMN erasures.at IS 'when it began';

-- +goose Down
DROP TABLE erasures;
