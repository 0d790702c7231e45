package db

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"besedka"
)

// What the outbox keeps: facts younger than KeepFacts, and of each topic at
// most KeepPerTopic. A reader who comes back after more than that starts afresh.
const (
	KeepFacts    = 24 * time.Hour
	KeepPerTopic = 10_000
)

// The largest fact: its data as JSON, and how many may be named in To.
const (
	maxFactBytes  = 64 << 10
	maxRecipients = 1000
)

// Publish adds a fact to the topic, with the next number of that topic. Its row
// stays locked until the transaction ends, so numbers are in the order of
// commits and none is ever missing. data is nil or something that marshals to a
// JSON object. to is nil when everyone who may read the topic may see it.
func (t *Tx) Publish(topic besedka.Topic, kind string, to []besedka.ParticipantID, data any) (besedka.Fact, error) {
	f := besedka.Fact{Topic: topic, Kind: kind, To: to}
	if !t.write {
		return f, errors.New("publish: this transaction only reads")
	}
	if topic == "" || len(topic) > 100 || kind == "" || len(kind) > 60 || len(to) > maxRecipients {
		return f, fmt.Errorf("publish: bad topic %.100q or kind %.60q, or too many recipients", topic, kind)
	}
	var recipients, object sql.NullString
	if data != nil {
		b, err := json.Marshal(data)
		if err != nil {
			return f, fmt.Errorf("publish %s: %w", kind, err)
		}
		if !bytes.HasPrefix(b, []byte("{")) || len(b) > maxFactBytes {
			return f, fmt.Errorf("publish %s: the data must be an object of at most %d bytes", kind, maxFactBytes)
		}
		f.Data, object = b, sql.NullString{String: string(b), Valid: true}
	}
	if to != nil {
		b, err := json.Marshal(to)
		if err != nil {
			return f, fmt.Errorf("publish %s: %w", kind, err)
		}
		recipients = sql.NullString{String: string(b), Valid: true}
	}

	// The time of a topic does not go back even where clocks differ, so that
	// what is older always has the smaller number.
	var at int64
	err := t.QueryRow(`INSERT INTO topics (topic, head, pruned, changed_at) VALUES ($1, 1, 0, $2)
		ON CONFLICT (topic) DO UPDATE SET head = topics.head + 1,
			changed_at = CASE WHEN topics.changed_at > excluded.changed_at THEN topics.changed_at ELSE excluded.changed_at END
		RETURNING head, changed_at`, topic, t.Millis()).Scan(&f.Seq, &at)
	if err != nil {
		return f, fmt.Errorf("publish %s: number it: %w", kind, err)
	}
	f.At = time.UnixMilli(at).UTC()
	_, err = t.Exec(`INSERT INTO facts (topic, seq, kind, at, recipients, data) VALUES ($1, $2, $3, $4, $5, $6)`,
		topic, f.Seq, kind, at, recipients, object)
	if err != nil {
		return f, fmt.Errorf("publish %s: %w", kind, err)
	}
	if !slices.Contains(t.topics, topic) {
		t.topics = append(t.topics, topic)
	}
	return f, nil
}

// Redact puts data in the place of what the topic's facts of one kind carry:
// of the fact with the number seq, or of all of the kind when seq is 0. That
// they were told stays, what they said goes.
func (t *Tx) Redact(topic besedka.Topic, kind string, seq int64, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("redact %s: %w", kind, err)
	}
	from, to := seq, seq
	if seq == 0 {
		to = math.MaxInt64
	}
	_, err = t.Exec(`UPDATE facts SET data = $5 WHERE topic = $1 AND kind = $2 AND seq BETWEEN $3 AND $4`, topic, kind, from, to, string(b))
	if err != nil {
		return fmt.Errorf("redact %s: %w", kind, err)
	}
	return nil
}

// Forget deletes a topic with all its facts. It is for topics that nobody can
// listen to any more and to which nothing will be published again.
func (t *Tx) Forget(topic besedka.Topic) error {
	for _, statement := range []string{`DELETE FROM facts WHERE topic = $1`, `DELETE FROM topics WHERE topic = $1`} {
		if _, err := t.Exec(statement, topic); err != nil {
			return fmt.Errorf("forget %s: %w", topic, err)
		}
	}
	return nil
}

// FactsAfter gives at most limit (1 to 1000) facts of the topic with a number
// above seq, in order. Whether some of them were already pruned is known from Head.
func (d *DB) FactsAfter(ctx context.Context, topic besedka.Topic, seq int64, limit int) ([]besedka.Fact, error) {
	limit = min(max(limit, 1), 1000)
	var facts []besedka.Fact
	err := d.Read(ctx, func(tx *Tx) error {
		facts = nil
		rows, err := tx.Query(`SELECT seq, kind, at, recipients, data FROM facts
			WHERE topic = $1 AND seq > $2 ORDER BY seq LIMIT $3`, topic, seq, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			f, err := scanFact(rows)
			if err != nil {
				return err
			}
			f.Topic = topic
			facts = append(facts, f)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read facts of %s: %w", topic, err)
	}
	return facts, nil
}

func scanFact(rows *sql.Rows) (besedka.Fact, error) {
	var f besedka.Fact
	var at int64
	var recipients, data sql.NullString
	if err := rows.Scan(&f.Seq, &f.Kind, &at, &recipients, &data); err != nil {
		return f, err
	}
	f.At = time.UnixMilli(at).UTC()
	if data.Valid {
		f.Data = json.RawMessage(data.String)
	}
	if recipients.Valid {
		if err := json.Unmarshal([]byte(recipients.String), &f.To); err != nil {
			return f, fmt.Errorf("recipients of fact %d: %w", f.Seq, err)
		}
	}
	return f, nil
}

// Head gives the numbers of the oldest fact of the topic that is still kept and
// of the newest ever published. A reader who has seen everything up to seq can
// go on without loss exactly when oldest-1 <= seq <= head. A topic without any
// fact has oldest 1 and head 0.
func (d *DB) Head(ctx context.Context, topic besedka.Topic) (oldest, head int64, err error) {
	err = d.Read(ctx, func(tx *Tx) error {
		oldest, head = 1, 0
		err := tx.QueryRow(`SELECT pruned + 1, head FROM topics WHERE topic = $1`, topic).Scan(&oldest, &head)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("read head of %s: %w", topic, err)
	}
	return oldest, head, nil
}

// Changed names every topic to which a fact was committed after since, by this
// process or another, and a few that changed shortly before: a fact carries the
// time at which its transaction began, so the question reaches back by the
// longest transaction and a little for clocks that differ.
func (d *DB) Changed(ctx context.Context, since time.Time) ([]besedka.Topic, error) {
	from := since.Add(-2 * Patience).UnixMilli()
	var topics []besedka.Topic
	err := d.Read(ctx, func(tx *Tx) error {
		topics = nil
		rows, err := tx.Query(`SELECT topic FROM topics WHERE changed_at >= $1 ORDER BY changed_at`, from)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var topic besedka.Topic
			if err := rows.Scan(&topic); err != nil {
				return err
			}
			topics = append(topics, topic)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read changed topics: %w", err)
	}
	return topics, nil
}

// PruneOutbox forgets facts older than KeepFacts and all but the newest
// KeepPerTopic of each topic, in small transactions so that nobody waits long.
// It is meant to be called some times an hour.
func (d *DB) PruneOutbox(ctx context.Context) error {
	before := d.now().Add(-KeepFacts).UnixMilli()
	for topic := besedka.Topic(""); ; {
		topics, err := d.prunable(ctx, topic, before)
		if err != nil {
			return fmt.Errorf("prune outbox: %w", err)
		}
		if len(topics) == 0 {
			break
		}
		for _, topic = range topics {
			if err := d.pruneTopic(ctx, topic, before); err != nil {
				return fmt.Errorf("prune outbox: %s: %w", topic, err)
			}
		}
	}
	d.optimize()
	return nil
}

// prunable names the next topics, in the order of their names, of which something may be forgotten.
func (d *DB) prunable(ctx context.Context, after besedka.Topic, before int64) ([]besedka.Topic, error) {
	var topics []besedka.Topic
	err := d.Read(ctx, func(tx *Tx) error {
		topics = nil
		rows, err := tx.Query(`SELECT topic FROM topics WHERE topic > $1 AND (head - pruned > $2
				OR EXISTS (SELECT 1 FROM facts WHERE facts.topic = topics.topic AND facts.seq = topics.pruned + 1 AND facts.at < $3))
			ORDER BY topic LIMIT 500`, after, KeepPerTopic, before)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var topic besedka.Topic
			if err := rows.Scan(&topic); err != nil {
				return err
			}
			topics = append(topics, topic)
		}
		return rows.Err()
	})
	return topics, err
}

// pruneTopic forgets a prefix of the topic, so that what is left has no gap.
func (d *DB) pruneTopic(ctx context.Context, topic besedka.Topic, before int64) error {
	return d.Write(ctx, func(tx *Tx) error {
		var head, pruned, cut int64
		err := tx.QueryRow(`SELECT head, pruned FROM topics WHERE topic = $1`+tx.ForUpdate(), topic).Scan(&head, &pruned)
		if err != nil {
			return err
		}
		err = tx.QueryRow(`SELECT COALESCE(MAX(seq), 0) FROM facts WHERE topic = $1 AND at < $2`, topic, before).Scan(&cut)
		if err != nil {
			return err
		}
		cut = max(cut, head-KeepPerTopic)
		if cut <= pruned {
			return nil
		}
		if _, err := tx.Exec(`DELETE FROM facts WHERE topic = $1 AND seq <= $2`, topic, cut); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE topics SET pruned = $2 WHERE topic = $1`, topic, cut)
		return err
	})
}
