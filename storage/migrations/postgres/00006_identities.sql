-- Compatible with: konsulin-bot 0.1 and later.
-- Who is behind a number: whether WhatsApp says that it may be somebody else than before.

-- +goose Up
CREATE TABLE identities (
    number TEXT PRIMARY KEY,
    hidden TEXT NOT NULL,
    at BIGINT NOT NULL,
    step_up_at BIGINT,
    why TEXT NOT NULL
);
CREATE INDEX identities_at ON identities (at);

COMMENT ON COLUMN identities.number IS 'digits of the number';
COMMENT ON COLUMN identities.hidden IS 'WhatsApp''s hidden id of the account behind it; empty: not known';
COMMENT ON COLUMN identities.at IS 'when its last login request came, to the day';
COMMENT ON COLUMN identities.step_up_at IS 'since when its sign-ins need another proof; null: they do not';
COMMENT ON COLUMN identities.why IS 'of step_up_at: hidden id, identity or dormant; empty: none';

-- +goose Down
DROP TABLE identities;
