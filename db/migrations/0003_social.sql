-- +goose Up
CREATE TABLE follows (
    follower_id TEXT   NOT NULL REFERENCES accounts (id),
    followed_id TEXT   NOT NULL REFERENCES accounts (id),
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (follower_id, followed_id)
);

CREATE INDEX follows_by_followed ON follows (followed_id, follower_id);
