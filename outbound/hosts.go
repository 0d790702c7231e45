package outbound

import (
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// What one host is asked at most, so that nobody uses this server to wear another down.
const (
	hostBurst = 6
	hostEvery = 10 * time.Second
	maxHosts  = 2048 // remembered
)

// hosts are the budgets of those who are called.
type hosts struct {
	now func() time.Time

	mu    sync.Mutex
	known map[string]*rate.Limiter
}

func newHosts(now func() time.Time) hosts {
	return hosts{now: now, known: map[string]*rate.Limiter{}}
}

// spend takes one request from the budget of a host, or returns ErrBusy.
func (h *hosts) spend(name string) error {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	now := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.known[name]
	if l == nil {
		if len(h.known) >= maxHosts {
			h.forget(now)
		}
		l = rate.NewLimiter(rate.Every(hostEvery), hostBurst)
		h.known[name] = l
	}
	if !l.AllowN(now, 1) {
		return ErrBusy
	}
	return nil
}

// forget makes room: of hosts with all of their budget, else of any; mu is held.
func (h *hosts) forget(now time.Time) {
	for name, l := range h.known {
		if l.TokensAt(now) >= hostBurst {
			delete(h.known, name)
		}
	}
	for name := range h.known {
		if len(h.known) <= maxHosts/2 {
			return
		}
		delete(h.known, name)
	}
}
