-- Compatible with: konsulin-bot 0.1 and later.
-- The browser: guests, and logins that were begun in one browser.

-- +goose Up
CREATE TABLE guests (
    id TEXT PRIMARY KEY,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'upgraded')),
    user_id TEXT NOT NULL,
    intent_id TEXT NOT NULL,
    closed_at BIGINT
);
CREATE INDEX guests_expiry ON guests (expires_at);

CREATE TABLE guest_apart (
    guest_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (guest_id, user_id)
);

CREATE TABLE guest_keys (
    kid TEXT PRIMARY KEY,
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    retire_at BIGINT NOT NULL
);

CREATE TABLE attempts (
    key_hash TEXT PRIMARY KEY,
    reference TEXT UNIQUE,
    guest_id TEXT NOT NULL,
    return_path TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    received_at BIGINT,
    number TEXT NOT NULL,
    reply_id TEXT NOT NULL,
    code_tries BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX attempts_reply ON attempts (reply_id) WHERE reply_id <> '';
CREATE INDEX attempts_expiry ON attempts (expires_at);

ALTER TABLE links ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE intents ADD COLUMN apart TEXT NOT NULL DEFAULT '';

COMMENT ON COLUMN guests.id IS 'random; what the guest''s records carry';
COMMENT ON COLUMN guests.created_at IS 'when it was made';
COMMENT ON COLUMN guests.last_seen_at IS 'when its newest token was made';
COMMENT ON COLUMN guests.expires_at IS 'when that token ends';
COMMENT ON COLUMN guests.state IS 'where it stands';
COMMENT ON COLUMN guests.user_id IS 'SuperTokens user that it became; empty: none';
COMMENT ON COLUMN guests.intent_id IS 'key of the job that gives its records to that user; empty: none';
COMMENT ON COLUMN guests.closed_at IS 'when it became a user; null: it did not';
COMMENT ON COLUMN guest_apart.guest_id IS 'the guest';
COMMENT ON COLUMN guest_apart.user_id IS 'SuperTokens user who signed in beside it and left it alone: never becomes its owner';
COMMENT ON COLUMN guest_apart.at IS 'when';
COMMENT ON COLUMN guest_keys.kid IS 'names the key in tokens';
COMMENT ON COLUMN guest_keys.sealed IS 'the private key, encrypted';
COMMENT ON COLUMN guest_keys.created_at IS 'when it was made';
COMMENT ON COLUMN guest_keys.retire_at IS 'when no token of it lives any more';
COMMENT ON COLUMN attempts.key_hash IS 'SHA-256 (hex) of the secret in the browser''s cookie';
COMMENT ON COLUMN attempts.reference IS 'what the message carries to name this login; null: nothing';
COMMENT ON COLUMN attempts.guest_id IS 'guest who began it; empty: none';
COMMENT ON COLUMN attempts.return_path IS 'where the browser goes after the sign-in; empty: nowhere special';
COMMENT ON COLUMN attempts.created_at IS 'when it was begun';
COMMENT ON COLUMN attempts.expires_at IS 'when it ends';
COMMENT ON COLUMN attempts.received_at IS 'when a message with its reference came; null: none did';
COMMENT ON COLUMN attempts.number IS 'digits of the number that sent that message first; empty: none';
COMMENT ON COLUMN attempts.reply_id IS 'the newest link of that number for this login; empty: none';
COMMENT ON COLUMN attempts.code_tries IS 'guesses of the code from the chat';
COMMENT ON COLUMN attempts.used_at IS 'when somebody signed in with it; null: nobody did';
COMMENT ON COLUMN links.tries IS 'guesses of the number''s last digits';
COMMENT ON COLUMN intents.apart IS 'guest of the browser that stays apart; empty: none, or closed';
