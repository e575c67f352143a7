-- Compatible with: konsulin-bot 0.1 and later.
-- The browser: guests, and logins that were begun in one browser.

-- +goose Up
CREATE TABLE guests (
    id           TEXT    PRIMARY KEY, -- random; what the guest's records carry
    created_at   INTEGER NOT NULL, -- when it was made
    last_seen_at INTEGER NOT NULL, -- when its newest token was made
    expires_at   INTEGER NOT NULL, -- when that token ends
    state        TEXT    NOT NULL CHECK (state IN ('live', 'upgraded')), -- where it stands
    user_id      TEXT    NOT NULL, -- SuperTokens user that it became; empty: none
    intent_id    TEXT    NOT NULL, -- key of the job that gives its records to that user; empty: none
    closed_at    INTEGER           -- when it became a user; null: it did not
) STRICT, WITHOUT ROWID;
CREATE INDEX guests_expiry ON guests (expires_at);

CREATE TABLE guest_apart (
    guest_id TEXT    NOT NULL, -- the guest
    user_id  TEXT    NOT NULL, -- SuperTokens user who signed in beside it and left it alone: never becomes its owner
    at       INTEGER NOT NULL, -- when
    PRIMARY KEY (guest_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE guest_keys (
    kid        TEXT    PRIMARY KEY, -- names the key in tokens
    sealed     BLOB    NOT NULL, -- the private key, encrypted
    created_at INTEGER NOT NULL, -- when it was made
    retire_at  INTEGER NOT NULL  -- when no token of it lives any more
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
    key_hash    TEXT    PRIMARY KEY, -- SHA-256 (hex) of the secret in the browser's cookie
    reference   TEXT    UNIQUE, -- what the message carries to name this login; null: nothing
    guest_id    TEXT    NOT NULL, -- guest who began it; empty: none
    return_path TEXT    NOT NULL, -- where the browser goes after the sign-in; empty: nowhere special
    created_at  INTEGER NOT NULL, -- when it was begun
    expires_at  INTEGER NOT NULL, -- when it ends
    received_at INTEGER,          -- when a message with its reference came; null: none did
    number      TEXT    NOT NULL, -- digits of the number that sent that message first; empty: none
    reply_id    TEXT    NOT NULL, -- the newest link of that number for this login; empty: none
    code_tries  INTEGER NOT NULL, -- guesses of the code from the chat
    used_at     INTEGER           -- when somebody signed in with it; null: nobody did
) STRICT, WITHOUT ROWID;
CREATE INDEX attempts_reply ON attempts (reply_id) WHERE reply_id <> '';
CREATE INDEX attempts_expiry ON attempts (expires_at);

ALTER TABLE links ADD COLUMN tries INTEGER NOT NULL DEFAULT 0; -- guesses of the number's last digits
ALTER TABLE intents ADD COLUMN apart TEXT NOT NULL DEFAULT ''; -- guest of the browser that stays apart; empty: none, or closed
