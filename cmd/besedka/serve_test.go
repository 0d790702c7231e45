package main

import (
	"os"
	"testing"

	"github.com/alecthomas/kong"

	"besedka/fanout"
)

func TestLongPacketsAreAskedForByNumbersThatGrow(t *testing.T) {
	t.Setenv("BESEDKA_LONG_PACKETS", "") // to have it back afterwards
	_ = os.Unsetenv("BESEDKA_LONG_PACKETS")
	for value, want := range map[string]fanout.Policy{
		"":          {Audience: 50, Crowd: 500},
		"20":        {Audience: 20},
		"20,100":    {Audience: 20, Crowd: 100},
		"20,100,20": {},
		"7,7,7":     {Audience: 7, Crowd: 7, Throng: 7},
		"1,2,3":     {Audience: 1, Crowd: 2, Throng: 3},
		"1,2,3,4":   {},
		"-1":        {Audience: -1},
		"-1,5":      {},
		"0":         {},
		"0,5":       {},
		"5,2000000": {},
	} {
		var c longPackets
		parser, err := kong.New(&c)
		if err != nil {
			t.Fatal(err)
		}
		var args []string
		if value != "" {
			args = []string{"--long-packets=" + value}
		}
		_, err = parser.Parse(args)
		got, _ := c.policy()
		if got != want || (err == nil) != (want != fanout.Policy{}) {
			t.Errorf("%q: %+v, %v", value, got, err)
		}
	}
}
