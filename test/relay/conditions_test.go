package relay

import (
	"math"
	"testing"
	"time"
)

var start = time.Unix(1_700_000_000, 0)

// fates sends n datagrams of 100 bytes, one each 20 ms, and tells what became of them.
func fates(l *line, c Conditions, n int) (lostOnes []bool, delays []time.Duration) {
	for i := range n {
		now := start.Add(time.Duration(i) * 20 * time.Millisecond)
		at, f := l.datagram(&c, now, 100)
		lostOnes = append(lostOnes, f == lost)
		delays = append(delays, at.Sub(now))
	}
	return lostOnes, delays
}

func share(of []bool) float64 {
	n := 0
	for _, x := range of {
		if x {
			n++
		}
	}
	return float64(n) / float64(len(of))
}

func TestSameSeedMeansSameFate(t *testing.T) {
	c := Conditions{Loss: 0.2, Burst: Burst{Loss: 0.1, Length: 4}, DelayMS: 30, JitterMS: 50, Reorder: true}
	const n = 5000
	lostA, delayA := fates(newLine(7, 3, Up), c, n)
	lostB, delayB := fates(newLine(7, 3, Up), c, n)
	for i := range n {
		if lostA[i] != lostB[i] || delayA[i] != delayB[i] {
			t.Fatalf("packet %d differs", i)
		}
	}
	for name, other := range map[string]*line{"seed": newLine(8, 3, Up), "client": newLine(7, 4, Up), "direction": newLine(7, 3, Down)} {
		lostB, _ := fates(other, c, n)
		equal := 0
		for i := range n {
			if lostA[i] == lostB[i] {
				equal++
			}
		}
		if equal > n*3/4 { // independent: about 0.59
			t.Errorf("another %s has the same fate in %d of %d", name, equal, n)
		}
	}
}

func TestOneConditionDoesNotMoveTheDiceOfAnother(t *testing.T) {
	const n = 5000
	light, _ := fates(newLine(1, 0, Up), Conditions{Loss: 0.05}, n)
	heavy, _ := fates(newLine(1, 0, Up), Conditions{Loss: 0.30, JitterMS: 80, BitsPerSecond: 1e6}, n)
	for i := range n {
		if light[i] && !heavy[i] {
			t.Fatalf("packet %d is lost at 5 %% and not at 30 %%", i)
		}
	}
	_, calm := fates(newLine(1, 0, Up), Conditions{JitterMS: 80, Reorder: true}, n)
	black := newLine(1, 0, Up)
	fates(black, Conditions{Blackhole: true}, n/2)
	_, after := fates(black, Conditions{JitterMS: 80, Reorder: true}, n/2)
	for i := range after {
		if after[i] != calm[n/2+i] {
			t.Fatalf("packet %d has another jitter after a black hole", i)
		}
	}
}

func TestLossIsAsOftenAndAsLongAsAsked(t *testing.T) {
	const n = 400_000
	for name, c := range map[string]struct {
		conditions   Conditions
		share, burst float64 // burst: mean number lost in a row; 0: not looked at
	}{
		"none":           {Conditions{}, 0, 0},
		"all":            {Conditions{Loss: 1}, 1, 0},
		"uniform":        {Conditions{Loss: 0.05}, 0.05, 1 / 0.95},
		"bursts of 3":    {Conditions{Burst: Burst{Loss: 0.10, Length: 3}}, 0.10, 3},
		"bursts of 10":   {Conditions{Burst: Burst{Loss: 0.05, Length: 10}}, 0.05, 10},
		"thin bursts":    {Conditions{Burst: Burst{Loss: 0.05, Length: 20, Density: 0.5}}, 0.05, 0},
		"both (1-.9*.9)": {Conditions{Loss: 0.1, Burst: Burst{Loss: 0.1, Length: 3}}, 0.19, 0},
	} {
		lostOnes, _ := fates(newLine(5, 0, Down), c.conditions, n)
		if got := share(lostOnes); math.Abs(got-c.share) > 0.05*c.share {
			t.Errorf("%s: %.4f lost; want %.4f", name, got, c.share)
		}
		bursts, total := 0, 0
		for i, x := range lostOnes {
			if x {
				total++
			}
			if x && (i == 0 || !lostOnes[i-1]) {
				bursts++
			}
		}
		if c.burst > 0 && math.Abs(float64(total)/float64(bursts)-c.burst) > 0.05*c.burst {
			t.Errorf("%s: %.2f lost in a row; want %.2f", name, float64(total)/float64(bursts), c.burst)
		}
	}
}

func TestJitterStaysInItsBounds(t *testing.T) {
	const n = 20000
	for _, reorder := range []bool{false, true} {
		_, delays := fates(newLine(2, 0, Up), Conditions{DelayMS: 40, JitterMS: 100, Reorder: reorder}, n)
		overtaken := false
		low, high := delays[0], delays[0]
		for i, d := range delays {
			low, high = min(low, d), max(high, d)
			overtaken = overtaken || i > 0 && d+20*time.Millisecond < delays[i-1]
		}
		if low < 40*time.Millisecond || low > 45*time.Millisecond && reorder || high > 140*time.Millisecond || high < 135*time.Millisecond {
			t.Errorf("reorder %v: delays from %v to %v", reorder, low, high)
		}
		if overtaken != reorder {
			t.Errorf("reorder %v: overtaken %v", reorder, overtaken)
		}
	}
}

func TestThrottledLineSendsAtItsRateAndDropsTheRest(t *testing.T) {
	l := newLine(1, 0, Up)
	c := Conditions{BitsPerSecond: 100_000, QueueMS: 250, DelayMS: 5}
	var arrivals []time.Duration
	dropped := 0
	for range 6 { // 1250 bytes take 100 ms
		at, f := l.datagram(&c, start, 1250)
		if f == overflowed {
			dropped++
			continue
		}
		arrivals = append(arrivals, at.Sub(start))
	}
	if len(arrivals) != 3 || arrivals[0] != 105*time.Millisecond || arrivals[2] != 305*time.Millisecond || dropped != 3 {
		t.Errorf("arrivals %v, dropped %d", arrivals, dropped)
	}
	if at, f := l.datagram(&c, start.Add(time.Second), 1250); f != passes || at.Sub(start) != 1105*time.Millisecond {
		t.Errorf("after a rest: %v %v", at.Sub(start), f)
	}
}

func TestStreamIsLateButWholeAndInOrder(t *testing.T) {
	l := newLine(4, 0, Down)
	c := Conditions{Loss: 0.1, DelayMS: 10, JitterMS: 50, Reorder: true, StallMS: 300}
	last, stalls := start, 0
	for i := range 2000 {
		now := start.Add(time.Duration(i) * 20 * time.Millisecond)
		at, f := l.segment(&c, now, 500)
		if at.Before(last) || at.Before(now.Add(10*time.Millisecond)) {
			t.Fatalf("segment %d overtakes or comes too early", i)
		}
		if f == lost {
			stalls++
			if at.Before(now.Add(310 * time.Millisecond)) {
				t.Fatalf("segment %d was lost and came after %v", i, at.Sub(now))
			}
		}
		last = at
	}
	if stalls < 150 || stalls > 250 {
		t.Errorf("%d stalls in 2000 at 10 %%", stalls)
	}
}

func TestImpossibleConditionsAreRefused(t *testing.T) {
	for name, c := range map[string]Conditions{
		"loss above 1":      {Loss: 1.1},
		"loss below 0":      {Loss: -0.1},
		"loss not a number": {Loss: math.NaN()},
		"negative delay":    {DelayMS: -1},
		"endless delay":     {DelayMS: math.Inf(1)},
		"an hour":           {JitterMS: 3_600_000},
		"negative rate":     {BitsPerSecond: -5},
		"rate of nothing":   {BitsPerSecond: 1},
		"burst of nothing":  {Burst: Burst{Loss: 0.1}},
		"always bursting":   {Burst: Burst{Loss: 1, Length: 3}},
		"too thin":          {Burst: Burst{Loss: 0.5, Length: 3, Density: 0.4}},
		"too much, short":   {Burst: Burst{Loss: 0.9, Length: 1}},
	} {
		if c.check() == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if err := (Conditions{Loss: 1, Burst: Burst{Loss: 0.1, Length: 3}, DelayMS: 100, JitterMS: 300, BitsPerSecond: 64000}).check(); err != nil {
		t.Error(err)
	}
}
