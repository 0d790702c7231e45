package bench

import (
	"testing"
	"time"
)

func TestLimitMeasuresSomething(t *testing.T) {
	c, err := Limit(50, 200*time.Millisecond, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if c.Total() <= 0 {
		t.Fatalf("%+v", c)
	}
	t.Logf("%.2f µs a packet (%.2f user, %.2f system)", c.Total(), c.User, c.System)
}
