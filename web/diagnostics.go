package web

import (
	"context"
	"encoding/json"
	"log/slog"

	"besedka"
)

// Bounds of what a client tells about a voice that it does not hear.
const (
	maxDiagnostics     = 12   // entries
	maxDiagnosticBytes = 2048 // of one entry
)

type diagnosticsInput struct {
	Room besedka.RoomID `path:"room"`
	Body struct {
		Account besedka.AccountID `json:"account" doc:"Who is not heard."`
		Stats   []json.RawMessage `json:"stats,omitempty" maxItems:"12" doc:"What the client knows of its connection: entries of RTCStatsReport, at most 2 KB each. More is left out."`
	}
}

// reportSilence writes to the log of the operator that somebody in a room does
// not hear somebody, with what their client knows of the connection.
func (s *Server) reportSilence(ctx context.Context, in *diagnosticsInput) (*nothing, error) {
	if err := s.limits.reports.spend(string(callerOf(ctx).Credential)); err != nil {
		return nil, err
	}
	if _, err := s.Rooms.View(ctx, in.Room, actorOf(ctx)); err != nil {
		return nil, err
	}
	attributes := []any{"room", in.Room, "listener", callerOf(ctx).Participant(), "speaker", in.Body.Account}
	for _, entry := range in.Body.Stats[:min(len(in.Body.Stats), maxDiagnostics)] {
		if len(entry) <= maxDiagnosticBytes {
			attributes = append(attributes, slog.String("stats", string(entry)))
		}
	}
	s.Log.Warn("somebody is not heard", attributes...)
	return done(nil)
}
