package room

import (
	"context"

	"besedka"
)

// Ref names a room.
type Ref struct {
	ID    besedka.RoomID `json:"id"`
	Title string         `json:"title"`
}

// Where says in which room the account is, if the actor may come in there and
// would see the account in it; else nil.
func (s *Service) Where(ctx context.Context, a Actor, account besedka.AccountID) *Ref {
	t, seated := s.index.find(account.Participant())
	if !seated {
		return nil
	}
	c := s.known(t.room)
	if c == nil || c.sees(a, s.followedLately(ctx, c, a)) != nil {
		return nil
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.state.roleOf(account) == "" || c.state.inOverflow(account) {
		return nil
	}
	return &Ref{c.id, c.state.info.Title}
}
