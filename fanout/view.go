package fanout

import (
	"slices"
	"time"
)

// MaxSlots is how many speakers can be heard at a time.
const MaxSlots = 3

// Rules for who is heard.
const (
	// holdTime is how long a speaker keeps a slot at least, and how long he may
	// pause before another one takes it.
	holdTime = time.Second
	// silenceTime frees the slot of somebody who has gone silent.
	silenceTime = 2500 * time.Millisecond
	// louderBy is how much louder (dB) a newcomer must be to take the slot of
	// somebody who is speaking.
	louderBy = 6
)

// view is what a kind of listener receives: a choice of speakers in 1 to
// MaxSlots slots. exclude is the number of a speaker it leaves out.
type view struct {
	slots      []slot
	exclude    uint32
	renditions []*rendition // by form: those with listeners
	count      int          // listeners
	due        bool         // some are to be moved to another form: see wanted
	taps       []Tap        // of a view of one slot that leaves nobody out
}

// group finds or makes the group for listeners of a class who get a form.
func (v *view) group(as form, c Class) *group {
	r := v.rendition(as)
	if r == nil {
		var beside *rendition
		if len(v.renditions) > 0 {
			beside = v.renditions[0]
		}
		r = newRendition(as, len(v.slots), beside)
		v.renditions = append(v.renditions, r)
	}
	for _, g := range r.groups {
		if g.class == c {
			return g
		}
	}
	g := &group{class: c, rendition: r}
	r.groups = append(r.groups, g)
	return g
}

// add puts a listener's record into the group, which is one of the view's.
func (g *group) add(v *view, o out) {
	o.who.view, o.who.group, o.who.at = v, g, len(g.outs)
	g.outs = append(g.outs, o)
	v.count++
}

// rendition is the view in a form, nil if nobody gets that.
func (v *view) rendition(as form) *rendition {
	for _, r := range v.renditions {
		if r.form == as {
			return r
		}
	}
	return nil
}

// wants notes that somebody who gets r is to get a form.
func (v *view) wants(r *rendition, as form) {
	if as != r.form && !slices.Contains(r.wanted, as) {
		r.wanted, v.due = append(r.wanted, as), true
	}
}

// slotOf is the slot of a speaker, or -1.
func (v *view) slotOf(sp *Speaker) int {
	for i := range v.slots {
		if v.slots[i].speaker == sp {
			return i
		}
	}
	return -1
}

// place finds the slot for a packet of sp that has just been listened to, or
// -1 when others are to be heard. It may take a slot from its occupant.
func (v *view) place(sp *Speaker, now time.Time) int {
	if i := v.slotOf(sp); i >= 0 {
		return i
	}
	if sp.csrc == v.exclude && v.exclude != 0 || sp.soundAt != now {
		return -1
	}
	i := v.free(now)
	if i < 0 {
		i = v.quieter(sp, now)
	}
	if i >= 0 {
		v.slots[i].occupy(sp, now)
	}
	return i
}

// free is an idle slot, or the one whose occupant has paused the longest; -1 if everybody speaks.
func (v *view) free(now time.Time) int {
	best, longest := -1, holdTime
	for i := range v.slots {
		s := &v.slots[i]
		if s.speaker == nil {
			return i
		}
		if d := now.Sub(s.speaker.soundAt); d >= longest && now.Sub(s.since) >= holdTime {
			best, longest = i, d
		}
	}
	return best
}

// quieter is the slot of the quietest occupant, if sp is clearly louder and
// the occupant has had his time; -1 otherwise.
func (v *view) quieter(sp *Speaker, now time.Time) int {
	best, least := -1, sp.loudness-louderBy
	for i := range v.slots {
		s := &v.slots[i]
		if s.speaker.loudness < least && now.Sub(s.since) >= holdTime {
			best, least = i, s.speaker.loudness
		}
	}
	return best
}

// silent says whether the occupant of a slot has gone silent.
func (s *slot) silent(now time.Time) bool {
	return s.speaker != nil && now.Sub(s.speaker.soundAt) >= silenceTime && now.Sub(s.since) >= holdTime
}
