package web

import (
	"context"
	"net/http"
	"time"
)

const healthTimeout = 2 * time.Second

// health answers 200 when the server does its work: the database answers, and
// media listens, without which the program would not be running. A server that is
// about to end is not healthy: who balances load goes elsewhere.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	if err := s.limits.stranger.spend(addressKey(callOf(r.Context()).addr)); err != nil {
		s.fail(w, r, err)
		return
	}
	if err := s.refusal(healthPattern); err != nil {
		w.Header().Set("Cache-Control", "no-store")
		s.fail(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err := s.Ping(ctx); err != nil {
		s.log.Warn("not healthy: the database does not answer", "error", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("the database does not answer\n"))
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}
