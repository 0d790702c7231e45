-- +goose Up
ALTER TABLE rooms ADD COLUMN language    TEXT NOT NULL DEFAULT '';
ALTER TABLE rooms ADD COLUMN attribution TEXT NOT NULL DEFAULT 'off_record';
ALTER TABLE rooms ADD COLUMN queue_rule  TEXT NOT NULL DEFAULT 'first_come';

-- Counts who was brought up from the queue, so that groups take turns.
ALTER TABLE rooms ADD COLUMN last_served BIGINT NOT NULL DEFAULT 0;

-- Followers of the host have yet to be told that the room is open to everyone.
ALTER TABLE rooms ADD COLUMN untold INTEGER NOT NULL DEFAULT 0;

-- A wider circle that the room is about to be opened to: what, by whom, from when; 0 = none.
ALTER TABLE rooms ADD COLUMN widen_to TEXT   NOT NULL DEFAULT '';
ALTER TABLE rooms ADD COLUMN widen_by TEXT   NOT NULL DEFAULT '';
ALTER TABLE rooms ADD COLUMN widen_at BIGINT NOT NULL DEFAULT 0;

-- Another attribution that the stage is asked to agree to; '' = none.
ALTER TABLE rooms ADD COLUMN attribution_to TEXT NOT NULL DEFAULT '';
ALTER TABLE rooms ADD COLUMN attribution_by TEXT NOT NULL DEFAULT '';

-- A turn to speak that ends by itself; '' = none.
ALTER TABLE rooms ADD COLUMN timer_account TEXT    NOT NULL DEFAULT '';
ALTER TABLE rooms ADD COLUMN timer_by      TEXT    NOT NULL DEFAULT '';
ALTER TABLE rooms ADD COLUMN timer_seconds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rooms ADD COLUMN timer_from    BIGINT  NOT NULL DEFAULT 0;

-- How long somebody has been heard in the room.
ALTER TABLE room_voices ADD COLUMN airtime_ms BIGINT NOT NULL DEFAULT 0;

ALTER TABLE room_hands ADD COLUMN party TEXT   NOT NULL DEFAULT ''; -- the group that its owner says to speak for
ALTER TABLE room_hands ADD COLUMN lot   BIGINT NOT NULL DEFAULT 0;  -- drawn when it was raised

-- Who has agreed to the attribution that the stage is asked about.
CREATE TABLE room_agreements (
    room_id    TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL,
    PRIMARY KEY (room_id, account_id)
);

-- When a group was last served from the queue, by rooms.last_served.
CREATE TABLE room_parties (
    room_id TEXT   NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    party   TEXT   NOT NULL,
    served  BIGINT NOT NULL,
    PRIMARY KEY (room_id, party)
);

-- What moderators did, for everybody in the room to read.
CREATE TABLE room_log (
    room_id TEXT   NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    number  BIGINT NOT NULL, -- 1, 2, 3, … within the room
    at      BIGINT NOT NULL,
    actor   TEXT   NOT NULL, -- the account; '' when nobody decided it
    action  TEXT   NOT NULL,
    target  TEXT   NOT NULL, -- the participant; '' for none
    detail  TEXT   NOT NULL,
    PRIMARY KEY (room_id, number)
);
