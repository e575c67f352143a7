-- Compatible with: konsulin-bot 0.1 and later.

-- +goose Up
CREATE INDEX links_watched ON links (expires_at, reply_id) WHERE state = 'open'; -- those that another program may consume

-- +goose Down
DROP INDEX links_watched;
