-- Compatible with: konsulin-bot 0.1 and later.
-- What exactly was told of an alert, so that each change is told once.

-- +goose Up
ALTER TABLE alerts ADD COLUMN state TEXT NOT NULL DEFAULT ''; -- the state that was told last
ALTER TABLE alerts ADD COLUMN mark INTEGER NOT NULL DEFAULT 0; -- of the youngest thing that was told: a time or an id
