-- +goose Up
ALTER TABLE accounts ADD COLUMN photo TEXT NOT NULL DEFAULT ''; -- names the picture's files; '' for none
ALTER TABLE accounts ADD COLUMN bio TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN name_changed_at BIGINT; -- NULL: it may still be changed, once

CREATE UNIQUE INDEX accounts_by_photo ON accounts (photo) WHERE photo <> '';

CREATE TABLE account_links (
    account_id TEXT    NOT NULL REFERENCES accounts (id),
    place      INTEGER NOT NULL, -- from 0
    url        TEXT    NOT NULL,
    label      TEXT    NOT NULL,
    PRIMARY KEY (account_id, place)
);

ALTER TABLE follows ADD COLUMN bell TEXT NOT NULL DEFAULT 'sometimes'; -- always, sometimes, never

CREATE INDEX follows_by_time ON follows (follower_id, created_at, followed_id);
CREATE INDEX followers_by_time ON follows (followed_id, created_at, follower_id);

CREATE TABLE blocks (
    blocker_id TEXT   NOT NULL REFERENCES accounts (id),
    blocked_id TEXT   NOT NULL REFERENCES accounts (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (blocker_id, blocked_id)
);

CREATE INDEX blocks_by_blocked ON blocks (blocked_id, blocker_id);
