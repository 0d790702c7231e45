package relay

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// maxCommand is the longest line that Control reads.
const maxCommand = 1 << 16

// command is one line of Control.
type command struct {
	Do      string      `json:"do"`
	Up      *Conditions `json:"up"`
	Down    *Conditions `json:"down"`
	Address netip.Addr  `json:"address"`
}

// reply is the one line that answers a command.
type reply struct {
	Error string `json:"error,omitempty"`
	State *State `json:"state,omitempty"`
}

// Control lets a program in another namespace or language drive a Relay by lines of
// JSON, one for each command, and answers each with one line,
// {"state":{…}} or {"error":"…"}:
//
//	{"do":"set","up":{"loss":0.05},"down":{}}   replaces the conditions of the directions named
//	{"do":"rebind"}                             gives every client a new source port
//	{"do":"rebind","address":"10.0.0.2"}        and that source address
//	{"do":"read"}                               changes nothing
//
// The state of before the first command comes as a line of its own, when Control
// begins. Control returns nil at the end of the input; the Relay stays open.
func Control(r *Relay, in io.Reader, out io.Writer) error {
	encoder := json.NewEncoder(out)
	answer := func(err error) error {
		if err != nil {
			return encoder.Encode(reply{Error: err.Error()})
		}
		state := r.State()
		return encoder.Encode(reply{State: &state})
	}
	if err := answer(nil); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxCommand)
	for lines.Scan() {
		if err := answer(r.obey(lines.Bytes())); err != nil {
			return fmt.Errorf("write reply: %w", err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read command: %w", err)
	}
	return nil
}

// obey carries one command out, or nothing of it.
func (r *Relay) obey(line []byte) error {
	var c command
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return fmt.Errorf("command: %w", err)
	}
	switch c.Do {
	case "read":
		return nil
	case "rebind":
		return r.Rebind(c.Address)
	case "set":
		return r.setBoth(c.Up, c.Down)
	default:
		return fmt.Errorf("unknown command %q", c.Do)
	}
}

func (r *Relay) setBoth(up, down *Conditions) error {
	if up == nil && down == nil {
		return errors.New("set needs up, down or both")
	}
	for _, c := range []*Conditions{up, down} {
		if c == nil {
			continue
		}
		if err := c.check(); err != nil {
			return err
		}
	}
	if up != nil {
		r.directions[Up].set(*up)
	}
	if down != nil {
		r.directions[Down].set(*down)
	}
	return nil
}
