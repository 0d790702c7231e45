package live

import (
	"strconv"
	"strings"

	"besedka"
)

// cursor says up to where an event stream has been read: the number of the last
// fact of the account's topic and of one room's topic. On the wire it is the text
// "<account seq>.<room>.<room seq>", the id of a server-sent event; clients hand
// it back as Last-Event-ID and must not look inside.
type cursor struct {
	account int64
	room    besedka.RoomID // "" without a room
	roomSeq int64
}

const (
	maxCursor = 128 // bytes
	maxRoomID = 64  // bytes
)

// String writes the cursor as it stands on the wire.
func (c cursor) String() string {
	var b [maxCursor]byte
	text := strconv.AppendInt(b[:0], c.account, 10)
	text = append(text, '.')
	text = append(text, c.room...)
	text = append(text, '.')
	return string(strconv.AppendInt(text, c.roomSeq, 10))
}

// parseCursor reads what String wrote. Anything else, be it only one sign longer,
// is refused: a cursor comes from us or is of no use.
func parseCursor(text string) (cursor, bool) {
	if len(text) > maxCursor {
		return cursor{}, false
	}
	account, rest, ok := strings.Cut(text, ".")
	if !ok {
		return cursor{}, false
	}
	room, roomSeq, ok := strings.Cut(rest, ".")
	if !ok || !roomIDText(room) {
		return cursor{}, false
	}
	var c cursor
	var err error
	if c.account, err = strconv.ParseInt(account, 10, 64); err != nil || c.account < 0 {
		return cursor{}, false
	}
	if c.roomSeq, err = strconv.ParseInt(roomSeq, 10, 64); err != nil || c.roomSeq < 0 {
		return cursor{}, false
	}
	c.room = besedka.RoomID(room)
	if c.room == "" && c.roomSeq != 0 || c.String() != text {
		return cursor{}, false
	}
	return c, true
}

// roomIDText says whether text may stand where a room id stands, or is empty.
func roomIDText(text string) bool {
	if len(text) > maxRoomID {
		return false
	}
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return true
}
