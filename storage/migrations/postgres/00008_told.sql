-- Compatible with: konsulin-bot 0.1 and later.
-- What exactly was told of an alert, so that each change is told once.

-- +goose Up
ALTER TABLE alerts ADD COLUMN state TEXT NOT NULL DEFAULT '';
COMMENT ON COLUMN alerts.state IS 'the state that was told last';
ALTER TABLE alerts ADD COLUMN mark BIGINT NOT NULL DEFAULT 0;
COMMENT ON COLUMN alerts.mark IS 'of the youngest thing that was told: a time or an id';
