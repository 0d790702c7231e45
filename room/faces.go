package room

import (
	"context"
	"time"

	"besedka"
)

// Pulling a room down fetches its faces anew (E14): people change their photo to
// make a point. Who does not pull sees it within a minute.

// Bounds of fetching faces anew.
const (
	facesOfAudience = 100
	facesFreshFor   = 5 * time.Second  // who was asked for so lately is not asked for again
	facesTellAfter  = 20 * time.Second // from the first change to telling everybody to ask again
)

// FreshFace is how somebody looks now.
type FreshFace struct {
	Account besedka.AccountID `json:"account"`
	Photo   string            `json:"photo"`
	Name    string            `json:"name"`
}

// Faces are the stage and the first of the audience as they look now.
func (s *Service) Faces(ctx context.Context, room besedka.RoomID, a Actor) ([]FreshFace, error) {
	c, crowd, err := s.visit(ctx, room, a)
	if err != nil {
		return nil, err
	}
	a = s.tied(ctx, a)
	c.mu.RLock()
	ids := c.state.faces(a, crowd.order[:min(len(crowd.order), facesOfAudience)])
	c.mu.RUnlock()
	s.people.refresh(ids)
	people := s.people.show(ctx, ids)
	faces := make([]FreshFace, 0, len(ids))
	for _, id := range ids {
		faces = append(faces, FreshFace{Account: id, Photo: people[id].Photo, Name: people[id].Name})
	}
	return faces, nil
}

// refresh makes the next look ask for people who were not asked for just now.
func (n *names) refresh(ids []besedka.AccountID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	stale := n.now().Add(-namesFor)
	for _, id := range ids {
		if k, ok := n.known[id]; ok && n.now().Sub(k.at) >= facesFreshFor {
			n.known[id] = named{k.person, stale}
		}
	}
}

// faceChanged notes that somebody has another name or photo: everybody in their
// room is told to look within a minute.
func (s *Service) faceChanged(account besedka.AccountID) {
	t, seated := s.index.find(account.Participant())
	if !seated {
		return
	}
	if c := s.known(t.room); c != nil {
		c.faces.CompareAndSwap(0, s.now().UnixMilli())
	}
	s.announce.HallwayChanged()
}

// tellFaces tells a room in which faces have changed to look at them again.
func (s *Service) tellFaces(c *conversation, now time.Time) {
	since := c.faces.Load()
	if since == 0 || now.Sub(time.UnixMilli(since)) < facesTellAfter {
		return
	}
	c.faces.Store(0)
	c.mu.RLock()
	counts := c.state.counts()
	c.mu.RUnlock()
	s.announce.Announce(c.id, "faces_changed", fields{"refetch_after_ms": counts.refetchAfter().Milliseconds()}, nil)
}
