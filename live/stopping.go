package live

import (
	"strconv"
	"time"

	"besedka"
)

// Stopping tells every stream that the server is about to end, and ends it behind what
// was queued before. Each is told its own time after which to come back, as retry
// gives it, so that not all come in the same moment. New streams are refused from then
// on. It returns how many were told.
func (h *Hub) Stopping(retry func() time.Duration) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopping = true
	for s := range h.streams {
		s.push(item{data: h.encodeOwn(kindServerStopping, s.ownRoom(), retryData(retry()))})
		s.finish(ErrClosed)
	}
	return len(h.streams)
}

func retryData(after time.Duration) []byte {
	return append(strconv.AppendInt([]byte(`{"retry_ms":`), after.Milliseconds(), 10), '}')
}

// ErrStopping says that the server is about to end and that another will take its place.
var ErrStopping = besedka.NewError(besedka.Unavailable, "server_stopping").After(2 * time.Second)
