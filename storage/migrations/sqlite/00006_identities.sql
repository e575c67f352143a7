-- Compatible with: konsulin-bot 0.1 and later.
-- Who is behind a number: whether WhatsApp says that it may be somebody else than before.

-- +goose Up
CREATE TABLE identities (
    number     TEXT    PRIMARY KEY, -- digits of the number
    hidden     TEXT    NOT NULL, -- WhatsApp's hidden id of the account behind it; empty: not known
    at         INTEGER NOT NULL, -- when its last login request came, to the day
    step_up_at INTEGER,          -- since when its sign-ins need another proof; null: they do not
    why        TEXT    NOT NULL  -- of step_up_at: hidden id, identity or dormant; empty: none
) STRICT, WITHOUT ROWID;
CREATE INDEX identities_at ON identities (at);

-- +goose Down
DROP TABLE identities;
