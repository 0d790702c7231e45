package media

import (
	"errors"
	"fmt"
	"strings"
)

const (
	maxFragment      = 16 << 10
	maxFragmentLines = 200
)

// checkFragment checks the form of an SDP fragment (RFC 8840 §9): lines of
// a= and m=, whose ufrag, if there is one, is the peer's.
func checkFragment(frag []byte, ufrag string) error {
	if len(frag) > maxFragment {
		return fmt.Errorf("longer than %d bytes", maxFragment)
	}
	text := string(frag)
	if strings.Count(text, "\n") > maxFragmentLines {
		return fmt.Errorf("more than %d lines", maxFragmentLines)
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "":
		case strings.HasPrefix(line, "a=ice-ufrag:"):
			if line[len("a=ice-ufrag:"):] != ufrag {
				return errors.New("another ufrag: an ICE restart needs a new session")
			}
		case !strings.HasPrefix(line, "a=") && !strings.HasPrefix(line, "m="):
			return errors.New("neither an attribute nor a media line")
		}
	}
	return nil
}
