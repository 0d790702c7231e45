-- +goose Up
CREATE TABLE rooms (
    id             TEXT    NOT NULL PRIMARY KEY,
    title          TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    host           TEXT    NOT NULL,
    hands          TEXT    NOT NULL, -- who may raise one
    guests_allowed INTEGER NOT NULL,
    second_came    INTEGER NOT NULL, -- the first other account has entered
    last_csrc      BIGINT  NOT NULL,
    last_hand      BIGINT  NOT NULL,
    started_at     BIGINT  NOT NULL,
    ended_at       BIGINT  NOT NULL, -- 0 while open
    version        BIGINT  NOT NULL  -- counts the transactions that changed the room
);

CREATE INDEX rooms_by_end ON rooms (ended_at, host);

CREATE TABLE room_stage (
    room_id      TEXT   NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    account_id   TEXT   NOT NULL,
    role         TEXT   NOT NULL,
    since        BIGINT NOT NULL,
    appointed_by TEXT   NOT NULL, -- of moderators; '' for others
    PRIMARY KEY (room_id, account_id)
);

-- Everybody who has ever been on stage: the number that names them in RTP, and
-- the moderator who holds them silent ('' for none).
CREATE TABLE room_voices (
    room_id     TEXT   NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    account_id  TEXT   NOT NULL,
    csrc        BIGINT NOT NULL,
    silenced_by TEXT   NOT NULL,
    PRIMARY KEY (room_id, account_id),
    UNIQUE (room_id, csrc)
);

CREATE TABLE room_hands (
    room_id    TEXT   NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    account_id TEXT   NOT NULL,
    number     BIGINT NOT NULL, -- the order of raising
    note       TEXT   NOT NULL,
    raised_at  BIGINT NOT NULL,
    PRIMARY KEY (room_id, account_id)
);

CREATE TABLE room_stage_invitations (
    room_id    TEXT   NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    account_id TEXT   NOT NULL,
    invited_by TEXT   NOT NULL,
    invited_at BIGINT NOT NULL,
    PRIMARY KEY (room_id, account_id)
);

CREATE TABLE room_removals (
    room_id        TEXT   NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    participant_id TEXT   NOT NULL,
    removed_by     TEXT   NOT NULL,
    reason         TEXT   NOT NULL,
    note           TEXT   NOT NULL,
    removed_at     BIGINT NOT NULL,
    PRIMARY KEY (room_id, participant_id)
);

-- People asked into the room, which admits them to a social or closed one.
CREATE TABLE room_picks (
    room_id    TEXT   NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    account_id TEXT   NOT NULL,
    picked_by  TEXT   NOT NULL,
    picked_at  BIGINT NOT NULL,
    PRIMARY KEY (room_id, account_id)
);
