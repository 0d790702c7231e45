package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"besedka/load"
)

// loadCommand measures a server.
type loadCommand struct {
	URL            string        `required:"" env:"BESEDKA_URL" help:"The server's address."`
	Token          string        `required:"" env:"BESEDKA_TOKEN" help:"Bearer token of an account that may open a room."`
	Rooms          int           `default:"1" help:"How many rooms."`
	Speakers       int           `default:"1" help:"Speakers in each room."`
	Listeners      int           `default:"300" help:"Listeners in each room."`
	Duration       time.Duration `default:"30s" help:"How long to measure."`
	JoinsPerSecond int           `default:"50" help:"How fast listeners join."`
	Slots          int           `default:"3" help:"Audio m-lines that a listener offers, 1 to 3."`
	Return         bool          `help:"Who loses the server meanwhile comes back, as browsers do; the report says how soon."`
	JSON           bool          `name:"json" help:"Print the report as JSON."`
}

// Run measures and prints the report.
func (c *loadCommand) Run(ctx context.Context, log *slog.Logger) error {
	report, err := load.Run(ctx, load.Config{URL: c.URL, Token: c.Token, Rooms: c.Rooms, Speakers: c.Speakers, Listeners: c.Listeners,
		Duration: c.Duration, JoinsPerSecond: c.JoinsPerSecond, Slots: c.Slots, Return: c.Return, Log: log})
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(report)
	}
	fmt.Print(report)
	return nil
}
