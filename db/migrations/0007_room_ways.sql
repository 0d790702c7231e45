-- +goose Up
ALTER TABLE rooms ADD COLUMN stage_reactions INTEGER NOT NULL DEFAULT 0; -- people on stage may react too

-- Who was asked in by a ping, of which everybody has a few.
ALTER TABLE room_picks ADD COLUMN pinged INTEGER NOT NULL DEFAULT 0;

-- Links that put their bearer on stage, once. Only the hash of the code is kept.
CREATE TABLE room_speaker_links (
    room_id    TEXT   NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    id         TEXT   NOT NULL,
    hash       TEXT   NOT NULL,
    made_by    TEXT   NOT NULL,
    expires_at BIGINT NOT NULL,
    used_by    TEXT   NOT NULL, -- '' while it may be used
    PRIMARY KEY (room_id, id)
);

-- Rooms that somebody does not want in the hallway, until they end.
CREATE TABLE room_hidden (
    account_id TEXT NOT NULL,
    room_id    TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    PRIMARY KEY (account_id, room_id)
);

CREATE INDEX room_hidden_by_room ON room_hidden (room_id);
