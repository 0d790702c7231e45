package db

import (
	"context"
	"database/sql"
	"slices"
	"sync"
)

// maxStatements bounds the statements kept. The program has fewer; only queries that are
// put together could be more.
const maxStatements = 256

// statements are the queries that have been read before. Understanding a query costs SQLite
// more than answering most of them.
type statements struct {
	pool *sql.DB

	mu     sync.RWMutex
	known  map[string]*sql.Stmt
	wanted []string // asked for, and not known yet
}

// find is the statement of a query; nil if it is not known, and the query is to be run as it
// is. Statements live as long as the pool.
func (s *statements) find(query string) *sql.Stmt {
	if s == nil {
		return nil
	}
	s.mu.RLock()
	found, full := s.known[query], len(s.known) >= maxStatements
	s.mu.RUnlock()
	if found != nil || full {
		return found
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wanted) < maxStatements && !slices.Contains(s.wanted, query) {
		s.wanted = append(s.wanted, query)
	}
	return nil
}

// prepare makes the statements that were asked for. It takes a connection of the pool, so it
// must not be called by whoever has one.
func (s *statements) prepare(ctx context.Context) {
	if s == nil {
		return
	}
	s.mu.RLock()
	none := len(s.wanted) == 0
	s.mu.RUnlock()
	if none {
		return
	}
	s.mu.Lock()
	wanted := s.wanted
	s.wanted = nil
	s.mu.Unlock()
	for _, query := range wanted {
		made, err := s.pool.PrepareContext(ctx, query)
		if err != nil {
			continue // running it says what is wrong
		}
		s.mu.Lock()
		if s.known[query] == nil && len(s.known) < maxStatements {
			s.known[query], made = made, nil
		}
		s.mu.Unlock()
		if made != nil {
			_ = made.Close()
		}
	}
}
