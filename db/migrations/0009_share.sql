-- +goose Up
-- Rooms that people show to their followers, until the rooms end.
CREATE TABLE room_shares (
    room_id    TEXT   NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    account_id TEXT   NOT NULL,
    comment    TEXT   NOT NULL, -- '' = none
    shared_at  BIGINT NOT NULL,
    PRIMARY KEY (room_id, account_id)
);
