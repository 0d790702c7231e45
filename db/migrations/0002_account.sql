-- +goose Up
CREATE TABLE accounts (
    id               TEXT    NOT NULL PRIMARY KEY,
    username         TEXT    NOT NULL UNIQUE,
    name             TEXT    NOT NULL,
    password         TEXT    NOT NULL, -- argon2id, with its parameters and salt
    founder          INTEGER NOT NULL,
    nominated_by     TEXT    REFERENCES accounts (id), -- for ever; NULL: the operator
    invitation_stock INTEGER NOT NULL,
    created_at       BIGINT  NOT NULL
);

CREATE TABLE invitations (
    id          TEXT    NOT NULL PRIMARY KEY,
    hash        TEXT    NOT NULL UNIQUE, -- SHA-256 of the code
    account_id  TEXT    REFERENCES accounts (id), -- who invites; NULL: the operator
    founder     INTEGER NOT NULL, -- makes the owner of the instance
    note        TEXT    NOT NULL,
    created_at  BIGINT  NOT NULL,
    expires_at  BIGINT  NOT NULL,
    revoked_at  BIGINT,
    redeemed_at BIGINT,
    redeemed_by TEXT    UNIQUE REFERENCES accounts (id)
);

CREATE INDEX invitations_by_account ON invitations (account_id, created_at);

-- What somebody signed in with. The secret itself is kept by its holder only.
CREATE TABLE credentials (
    id           TEXT   NOT NULL PRIMARY KEY,
    hash         TEXT   NOT NULL UNIQUE, -- SHA-256 of the token
    kind         TEXT   NOT NULL, -- session, token, guest
    account_id   TEXT   REFERENCES accounts (id),
    guest_id     TEXT   UNIQUE,
    room_id      TEXT, -- the only room of a guest
    user_agent   TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    revoked_at   BIGINT
);

CREATE INDEX credentials_by_account ON credentials (account_id, created_at);
CREATE INDEX credentials_by_room ON credentials (room_id, expires_at);
CREATE INDEX credentials_by_end ON credentials (expires_at);

CREATE TABLE suspensions (
    id         TEXT   NOT NULL PRIMARY KEY,
    account_id TEXT   NOT NULL REFERENCES accounts (id),
    rule       TEXT   NOT NULL,
    facts      TEXT   NOT NULL,
    began_at   BIGINT NOT NULL,
    ends_at    BIGINT, -- NULL: until it is lifted
    lifted_at  BIGINT
);

CREATE UNIQUE INDEX suspensions_in_force ON suspensions (account_id) WHERE lifted_at IS NULL;

-- Consecutive failures to sign in: from a place known for the account, or from anywhere else ('').
CREATE TABLE sign_in_failures (
    account_id TEXT    NOT NULL,
    place      TEXT    NOT NULL,
    failures   INTEGER NOT NULL,
    last_at    BIGINT  NOT NULL,
    PRIMARY KEY (account_id, place)
);

-- Where the true owner has signed in from: 24 bits of a hash of account and network.
CREATE TABLE known_places (
    account_id TEXT   NOT NULL REFERENCES accounts (id),
    place      TEXT   NOT NULL,
    last_at    BIGINT NOT NULL,
    PRIMARY KEY (account_id, place)
);
