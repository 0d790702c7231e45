package load

import (
	"testing"
	"time"
)

func TestStormIsAsBusyAsItsBusiestTenthOfASecond(t *testing.T) {
	begin := time.Unix(1_700_000_000, 0)
	var moments []time.Time
	for _, ms := range []int{900, 0, 250, 260, 349, 350, 1000} { // in any order
		moments = append(moments, begin.Add(time.Duration(ms)*time.Millisecond))
	}
	s := storm(moments)
	if s.Number != 7 || s.Busiest != 3 || s.Span != 1000 {
		t.Errorf("%+v", s)
	}
	if p := s.Peak(); p < 4.2 || p > 4.3 { // 3 where 7 in ten tenths are 0.7
		t.Errorf("peak %v", p)
	}
	if s := storm(nil); s.Peak() != 0 {
		t.Errorf("%+v", s)
	}
}
