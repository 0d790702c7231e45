package web

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"besedka"
)

const (
	maxBody     = 64 << 10 // bytes of a request's body, JSON or SDP
	budgetParts = 16
	maxBudgets  = 4096 // callers remembered in each part
)

// limits are the budgets of callers. They keep one caller from spending what
// belongs to all; what a person does by hand comes nowhere near them.
type limits struct {
	credential *budget // everything by one credential
	media      *budget // WHIP and WHEP offers by one credential (RFC 9725 section 5)
	tests      *budget // connection tests begun by one credential
	profiles   *budget // profiles read by one credential: a scraper's harvest
	searches   *budget // searches among the people of a room by one credential
	reports    *budget // "I don't hear them" by one credential
	uploads    *budget // photos sent by one account
	changes    *budget // changes of a profile or of the graph by one account
	shares     *budget // rooms shown to followers by one account
	photos     *budget // pictures read, by address: a page may show hundreds, once
	plays      *budget // audio streams begun, by address
	faces      *budget // faces fetched anew by one credential
	stranger   *budget // what may be asked without signing in, by address
	entrance   *budget // passwords, invitations and guests' tokens, by address
	guess      *budget // credentials that do not exist, by address
}

func newLimits(now func() time.Time) *limits {
	return &limits{
		credential: newBudget(now, 100, 400),
		media:      newBudget(now, 10, 20),
		tests:      newBudget(now, 1.0/5, 6),
		profiles:   newBudget(now, 1.0/20, 300),
		searches:   newBudget(now, 2, 30),
		reports:    newBudget(now, 1.0/60, 6),
		uploads:    newBudget(now, 10.0/3600, 10),
		changes:    newBudget(now, 1, 120),
		shares:     newBudget(now, 1.0/30, 10),
		photos:     newBudget(now, 500, 5000),
		plays:      newBudget(now, 100, 1000),
		faces:      newBudget(now, 0.1, 6),
		stranger:   newBudget(now, 50, 200),
		entrance:   newBudget(now, 5, 100),
		guess:      newBudget(now, 10, 200),
	}
}

// budget lets each caller spend a number of requests at once and gives back some
// each second. The number of callers remembered is bounded: when a part is full,
// those are forgotten who have all of their budget, and if none has, anyone.
type budget struct {
	now   func() time.Time
	rate  rate.Limit
	burst int
	seed  maphash.Seed
	parts [budgetParts]budgetPart
}

type budgetPart struct {
	mu      sync.Mutex
	callers map[string]*rate.Limiter
}

func newBudget(now func() time.Time, perSecond float64, burst int) *budget {
	b := &budget{now: now, rate: rate.Limit(perSecond), burst: burst, seed: maphash.MakeSeed()}
	for i := range b.parts {
		b.parts[i].callers = make(map[string]*rate.Limiter)
	}
	return b
}

// spend takes one request from the caller's budget, or returns ErrTooMany with the time until there is one.
func (b *budget) spend(caller string) error {
	now := b.now()
	p := &b.parts[maphash.String(b.seed, caller)%budgetParts]
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.callers[caller]
	if l == nil {
		if len(p.callers) >= maxBudgets {
			p.forget(now, b.burst)
		}
		l = rate.NewLimiter(b.rate, b.burst)
		p.callers[caller] = l
	}
	r := l.ReserveN(now, 1)
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return besedka.ErrTooMany.After(wait)
	}
	return nil
}

// forget makes room for more callers; mu is held. It looks at all of them, so it
// always makes room for many.
func (p *budgetPart) forget(now time.Time, burst int) {
	for caller, l := range p.callers {
		if l.TokensAt(now) >= float64(burst) {
			delete(p.callers, caller)
		}
	}
	for caller := range p.callers {
		if len(p.callers) <= maxBudgets/2 {
			return
		}
		delete(p.callers, caller)
	}
}

// addressKey is what an address is budgeted as: itself, or its /64 in IPv6,
// which is what one household has.
func addressKey(a netip.Addr) string {
	a = a.Unmap()
	if a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
