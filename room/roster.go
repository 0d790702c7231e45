package room

import (
	"cmp"
	"hash/maphash"
	"slices"
	"time"

	"besedka"
)

// Whom of a large audience people are shown. Nobody can look at thousands of
// faces, and thousands who each fetch thousands would be millions.
const (
	rosterWholeUpTo = 200 // in the audience: everybody is shown
	rosterPart      = 60  // of whom the viewer follows, of the followed by speakers, of the others
	sampleFor       = 30 * time.Second
)

// When to ask again for a room that others have changed.
const (
	refetchAtOnceUpTo = 50 // in the room
	refetchEach       = 3 * time.Millisecond
	refetchAtMost     = time.Minute
)

// refetchAfter is the time within which each who follows the room is to ask for
// it again, at a random moment, after something that concerns everybody: 15
// seconds for 5,000 people make 333 requests a second.
func (c Counts) refetchAfter() time.Duration {
	if c.All <= refetchAtOnceUpTo {
		return 0
	}
	return min(time.Duration(c.All)*refetchEach, refetchAtMost)
}

// roster lists whom of the audience the viewer is shown: everybody in the order
// of faces if they are few, else whom the viewer follows, then who is followed
// by somebody on stage, then a sample of the others that stays the same for
// sampleFor. The viewer is always among them if in the audience.
func (s *State) roster(a Actor, w *crowd, mine []besedka.AccountID, now time.Time) []besedka.AccountID {
	me := a.Who.Account()
	list := s.rosterAll
	if len(w.order) > rosterWholeUpTo {
		list = s.rosterPart
	}
	shown := list(me, w, s.minePlaces(w, mine), now)
	if me != "" && s.listed(me) && !slices.Contains(shown, me) {
		shown = append(shown, me)
	}
	return shown
}

// listed says whether the account sits in the audience where people see it.
func (s *State) listed(account besedka.AccountID) bool {
	return s.roleOf(account) == besedka.RoleListener && !s.inOverflow(account)
}

// minePlaces are the places of whom the viewer follows, in order.
func (s *State) minePlaces(w *crowd, mine []besedka.AccountID) []int {
	var places []int
	for _, account := range mine {
		if i, ok := w.place[account]; ok && s.listed(account) {
			places = append(places, i)
		}
	}
	slices.Sort(places)
	return places
}

// rosterAll is the whole audience: the followed by speakers, then the others,
// within both first whom the viewer follows.
func (s *State) rosterAll(_ besedka.AccountID, w *crowd, mine []int, _ time.Time) []besedka.AccountID {
	list := make([]besedka.AccountID, 0, len(w.order))
	split, _ := slices.BinarySearch(mine, w.splitAt)
	add := func(mine []int, from, to int) {
		for _, i := range mine {
			list = append(list, w.order[i])
		}
		for i := from; i < to; i++ {
			if _, first := slices.BinarySearch(mine, i); !first && s.listed(w.order[i]) {
				list = append(list, w.order[i])
			}
		}
	}
	add(mine[:split], 0, w.splitAt)
	add(mine[split:], w.splitAt, len(w.order))
	return list
}

// rosterPart is a part of a large audience, different for every viewer.
func (s *State) rosterPart(me besedka.AccountID, w *crowd, mine []int, now time.Time) []besedka.AccountID {
	list := make([]besedka.AccountID, 0, 3*rosterPart+1)
	for _, i := range mine[:min(len(mine), rosterPart)] {
		list = append(list, w.order[i])
	}
	taken := func(i int) bool {
		_, yes := slices.BinarySearch(mine, i)
		return yes || !s.listed(w.order[i])
	}
	for i, most := 0, len(list)+rosterPart; i < w.splitAt && len(list) < most; i++ {
		if !taken(i) {
			list = append(list, w.order[i])
		}
	}
	for _, i := range w.sample(me, taken, now) {
		list = append(list, w.order[i])
	}
	return list
}

// drawn is somebody in a sample.
type drawn struct {
	lot uint64
	at  int
}

// sample draws places of those who are not followed by somebody on stage, in
// order. Everybody has a lot for every viewer and time, so who comes or goes
// changes the sample by one.
func (w *crowd) sample(me besedka.AccountID, skip func(int) bool, now time.Time) []int {
	mine := lot(me)
	seed := mix(mine + uint64((now.UnixNano()+int64(mine%uint64(sampleFor)))/int64(sampleFor)))
	best := make([]drawn, 0, rosterPart)
	byLot := func(a, b drawn) int { return cmp.Compare(a.lot, b.lot) }
	for i := w.splitAt; i < len(w.order); i++ {
		d := drawn{mix(w.lots[i] ^ seed), i}
		if len(best) == rosterPart && d.lot >= best[rosterPart-1].lot || skip(i) {
			continue
		}
		place, _ := slices.BinarySearchFunc(best, d, byLot)
		best = slices.Insert(best[:min(len(best), rosterPart-1)], place, d)
	}
	places := make([]int, 0, rosterPart)
	for _, d := range best {
		places = append(places, d.at)
	}
	slices.Sort(places)
	return places
}

var lotSeed = maphash.MakeSeed()

// lot is a number of the account's own that nobody outside can know.
func lot(account besedka.AccountID) uint64 { return maphash.String(lotSeed, string(account)) }

// mix makes a number of which no bit shows a bit of x (the finalizer of splitmix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
