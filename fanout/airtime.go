package fanout

import "time"

// airtimeOf is where the time is counted for which a number is heard, whoever
// speaks under it, and however often they come and go.
func (f *Floor) airtimeOf(csrc uint32) *time.Duration {
	t := f.aired[csrc]
	if t == nil {
		if f.aired == nil {
			f.aired = make(map[uint32]*time.Duration)
		}
		t = new(time.Duration)
		f.aired[csrc] = t
	}
	return t
}

// Airtime says for how long each number has been heard: the length of its
// packets that were forwarded to somebody and were louder than silence.
func (f *Floor) Airtime() map[uint32]time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[uint32]time.Duration, len(f.aired))
	for csrc, t := range f.aired {
		if *t > 0 {
			all[csrc] = *t
		}
	}
	return all
}

func duration(samples int) time.Duration {
	return time.Duration(samples) * time.Second / clockRate
}
