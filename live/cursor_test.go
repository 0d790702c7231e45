package live

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"besedka"
)

func TestCursorIsReadBackAsWritten(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := cursor{account: rapid.Int64Min(0).Draw(r, "account")}
		if room := rapid.StringMatching(`[0-9a-z-]{0,40}`).Draw(r, "room"); room != "" {
			c.room, c.roomSeq = besedka.RoomID(room), rapid.Int64Min(0).Draw(r, "seq")
		}
		if got, ok := parseCursor(c.String()); !ok || got != c {
			r.Fatalf("%v was read back as %v, %v", c, got, ok)
		}
	})
}

func TestForeignCursorIsRefused(t *testing.T) {
	for _, text := range []string{
		"", ".", "..", "1", "1.", "1..", "1..2", "-1..0", "+1..0", "01..0", "1.room.", "1.room.-2", "1.room.2.3", " 1..0", "1..0\n",
		"1.ROOM.2", "1.ro om.2", "1.комната.2", "9223372036854775808..0", "1." + strings.Repeat("r", 65) + ".2", strings.Repeat("1", 200),
	} {
		if c, ok := parseCursor(text); ok {
			t.Errorf("%q was read as %v", text, c)
		}
	}
}

func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"0..0", "12.room1.34", "9223372036854775807.a-b.9223372036854775807", "1.2", "..", "0.\x00.0", "00..0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, ok := parseCursor(text)
		if ok && c.String() != text {
			t.Fatalf("%q was read as %v", text, c)
		}
	})
}
