package live

import (
	"slices"
	"testing"
	"time"
)

// busiest is how many of the moments lie within width of each other at most, when span
// comes round again.
func busiest(moments []time.Duration, span, width time.Duration) int {
	slices.Sort(moments)
	most := 0
	for i, from := range moments {
		n := 0
		for k := i; k < i+len(moments); k++ {
			at := moments[k%len(moments)]
			if k >= len(moments) {
				at += span
			}
			if at-from >= width {
				break
			}
			n++
		}
		most = max(most, n)
	}
	return most
}

func TestNoMomentIsTwiceAsBusyAsTheOthers(t *testing.T) {
	const span, width = 2 * time.Second, 100 * time.Millisecond
	for _, people := range []int{50, 73, 150, 500, 5000} {
		for _, first := range []uint64{0, 1, 12345, 1 << 40} {
			for stride := range uint64(5) { // as when each opens several streams
				var moments []time.Duration
				for i := range uint64(people) {
					at := Stagger(first+i*(stride+1), span)
					if at < 0 || at >= span {
						t.Fatalf("%v is not within %v", at, span)
					}
					moments = append(moments, at)
				}
				mean := float64(people) * float64(width) / float64(span)
				if n := busiest(moments, span, width); float64(n) > 2*mean {
					t.Errorf("%d people from the %d-th on, each the %d-th: %d at once, %.1f on average", people, first, stride+1, n, mean)
				}
			}
		}
	}
}
