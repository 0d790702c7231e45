-- +goose Up
CREATE TABLE settings (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- One row for each ordered line of facts. Its lock gives the numbers.
CREATE TABLE topics (
    topic      TEXT   NOT NULL PRIMARY KEY,
    head       BIGINT NOT NULL, -- number of the newest fact
    pruned     BIGINT NOT NULL, -- number up to which facts were forgotten
    changed_at BIGINT NOT NULL
);

CREATE INDEX topics_by_change ON topics (changed_at);

CREATE TABLE facts (
    topic      TEXT   NOT NULL,
    seq        BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    recipients TEXT, -- JSON list of participants; NULL means everyone who may read the topic
    data       TEXT, -- JSON object
    PRIMARY KEY (topic, seq)
);
