//go:build !linux

package load

import (
	"net/netip"
	"time"
)

const (
	supported = false
	batchSize = 1
)

// socket and batch exist for the compiler only: Run returns ErrPlatform first.
type socket int

func dial(netip.AddrPort) (socket, error) {
	return 0, ErrPlatform
}
func (socket) send([]byte) {}
func (socket) close()      {}

type batch struct{}

func newBatch() *batch                      { return &batch{} }
func (*batch) receive(socket) (int, bool)   { return 0, false }
func (*batch) datagram(int) ([]byte, int64) { return nil, 0 }
func cpuTime() time.Duration                { return 0 }

func goFirst() {}

func nap(time.Duration) {}
