-- Compatible with: konsulin-bot 0.1 and later.
-- The id by which the log ties a job to the request that it follows from.

-- +goose Up
ALTER TABLE jobs ADD COLUMN request TEXT NOT NULL DEFAULT '';
COMMENT ON COLUMN jobs.request IS 'for the log; names nobody; empty: none';
