-- +goose Up
-- What a room has beside the voice: its pin, its agenda, and how chat and questions are set.
CREATE TABLE room_texts (
    room_id        TEXT    NOT NULL PRIMARY KEY REFERENCES rooms (id) ON DELETE CASCADE,
    pins           BIGINT  NOT NULL, -- how many links were ever pinned
    pin            BIGINT  NOT NULL, -- the number of the one that is; 0 = none
    pin_changed_at BIGINT  NOT NULL,
    agenda         TEXT    NOT NULL, -- Markdown; '' = none
    agenda_now     INTEGER NOT NULL, -- the item under discussion, from 1; 0 = none
    agenda_started TEXT    NOT NULL, -- when each item began, separated by commas
    chat           TEXT    NOT NULL, -- who may write
    slow_seconds   INTEGER NOT NULL,
    questions      INTEGER NOT NULL, -- may be asked
    anonymous      INTEGER NOT NULL  -- may be asked without a name
);

CREATE TABLE room_pins (
    room_id     TEXT   NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    number      BIGINT NOT NULL,
    url         TEXT   NOT NULL,
    domain      TEXT   NOT NULL,
    title       TEXT   NOT NULL,
    pinned_by   TEXT   NOT NULL,
    pinned_at   BIGINT NOT NULL,
    unpinned_at BIGINT NOT NULL, -- 0 while it is pinned
    PRIMARY KEY (room_id, number)
);

-- Written by any process; the room's own row is not touched.
CREATE TABLE messages (
    id         TEXT    NOT NULL PRIMARY KEY,
    room_id    TEXT    NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    backstage  INTEGER NOT NULL, -- for the stage only, and gone with the room's end
    seq        BIGINT  NOT NULL, -- of the fact that told it: the order of messages
    author     TEXT    NOT NULL,
    text       TEXT    NOT NULL,
    created_at BIGINT  NOT NULL
);

CREATE INDEX messages_by_room ON messages (room_id, seq);
CREATE INDEX messages_by_author ON messages (author, room_id, seq);
CREATE INDEX messages_backstage ON messages (room_id) WHERE backstage = 1;

-- Who has written in a room: when last, and until when they may not.
CREATE TABLE message_authors (
    room_id     TEXT   NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    account_id  TEXT   NOT NULL,
    last_at     BIGINT NOT NULL,
    muted_until BIGINT NOT NULL, -- 0 = not muted
    PRIMARY KEY (room_id, account_id)
);

CREATE TABLE questions (
    id         TEXT    NOT NULL PRIMARY KEY,
    room_id    TEXT    NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    seq        BIGINT  NOT NULL, -- of the fact that told it: the order of asking
    author     TEXT    NOT NULL, -- also of an anonymous one, whom nobody is told
    anonymous  INTEGER NOT NULL,
    text       TEXT    NOT NULL, -- '' once deleted
    state      TEXT    NOT NULL, -- open, answering, answered, deleted
    votes      BIGINT  NOT NULL,
    asked_at   BIGINT  NOT NULL,
    state_at   BIGINT  NOT NULL, -- since when it is in its state
    offered_by TEXT    NOT NULL  -- the moderator who answers an anonymous one: its author may come on stage
);

CREATE INDEX questions_by_room ON questions (room_id, state, votes);
CREATE INDEX questions_by_author ON questions (room_id, author);

CREATE TABLE question_votes (
    question_id TEXT NOT NULL REFERENCES questions (id) ON DELETE CASCADE,
    account_id  TEXT NOT NULL,
    PRIMARY KEY (question_id, account_id)
);

CREATE TABLE polls (
    id        TEXT   NOT NULL PRIMARY KEY,
    room_id   TEXT   NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    seq       BIGINT NOT NULL,
    question  TEXT   NOT NULL,
    options   TEXT   NOT NULL, -- JSON list
    opened_by TEXT   NOT NULL,
    opened_at BIGINT NOT NULL,
    closed_at BIGINT NOT NULL  -- 0 while open
);

CREATE INDEX polls_by_room ON polls (room_id, seq);
CREATE UNIQUE INDEX polls_open ON polls (room_id) WHERE closed_at = 0; -- one at a time

CREATE TABLE poll_votes (
    poll_id    TEXT    NOT NULL REFERENCES polls (id) ON DELETE CASCADE,
    account_id TEXT    NOT NULL,
    choice     INTEGER NOT NULL, -- from 0
    PRIMARY KEY (poll_id, account_id)
);
