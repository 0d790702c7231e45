package live

import (
	"math/bits"
	"time"
)

// golden is 2^64 divided by the golden ratio.
const golden = 0x9E3779B97F4A7C15

// Stagger gives the n-th of any number of clients its moment within span. However many
// there are, their moments lie evenly (multiples of the golden ratio, less their whole
// parts: no two are near each other that are near in number), which chance would not do:
// of fifty that drew lots, eight would come within the twentieth part of the span.
func Stagger(n uint64, span time.Duration) time.Duration {
	high, _ := bits.Mul64(n*golden, uint64(span))
	return time.Duration(high)
}
