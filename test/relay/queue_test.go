package relay

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestQueueDeliversInTimeAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var got []string
		q := newQueue(time.Now, func(p *parcel) { got = append(got, fmt.Sprintf("%s@%v", p.data, time.Since(begin))) })
		done, ended := make(chan struct{}), make(chan struct{})
		go func() { q.run(done); close(ended) }()
		push := func(data string, after time.Duration) {
			q.push(parcel{at: begin.Add(after), data: []byte(data)})
		}
		push("c", 30*time.Millisecond)
		push("a", 10*time.Millisecond)
		push("d", 30*time.Millisecond)
		synctest.Wait()
		push("b", 20*time.Millisecond) // comes when the queue sleeps already
		time.Sleep(time.Second)        // of the bubble's clock
		push("e", 0)                   // its time is past
		synctest.Wait()
		close(done)
		<-ended
		if want := []string{"a@10ms", "b@20ms", "c@30ms", "d@30ms", "e@1s"}; !slices.Equal(got, want) {
			t.Errorf("%v; want %v", got, want)
		}
	})
}

func TestQueueIsBoundedAndReusesItsMemory(t *testing.T) {
	now := start
	q := newQueue(func() time.Time { return now }, nil)
	data := make([]byte, 1200)
	fill := func() {
		for i := range maxUnderWay {
			if !q.push(parcel{at: now.Add(time.Duration(i)), data: data}) {
				t.Fatalf("refused after %d", i)
			}
		}
	}
	fill()
	if q.push(parcel{at: now, data: data}) {
		t.Error("took more than it may")
	}
	drain := func() {
		now = now.Add(time.Second)
		for p, _ := q.pop(); p != nil; p, _ = q.pop() {
			q.recycle(p)
		}
	}
	drain()
	if n := testing.AllocsPerRun(1, func() { fill(); drain() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
