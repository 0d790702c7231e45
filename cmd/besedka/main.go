// Command besedka is a social audio network on one's own server: the server
// itself, the commands of its operator, and a load generator.
//
// It is the composition root: the one place that knows every package and wires
// them with plain functions. Every flag can be given as an environment
// variable BESEDKA_….
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the build.
var version = "dev"

// commands is the command line. What commands print for programs is the last
// line of standard output; everything else goes to standard error.
type commands struct {
	Serve   serveCommand   `cmd:"" help:"Start the server. On an empty folder it prints a one-time link with which the owner signs up."`
	Admin   adminCommands  `cmd:"" help:"What the operator does; works beside a running server."`
	Load    loadCommand    `cmd:"" help:"Measure a server: real speakers and listeners, bounded in number and time."`
	Backup  backupCommand  `cmd:"" help:"Write a copy of the instance's database (SQLite) to a file; works beside a running server."`
	Restore restoreCommand `cmd:"" help:"Put a backup into an empty data folder."`
	Doctor  doctorCommand  `cmd:"" help:"Say what is wrong with the instance and what to do."`
	Version versionCommand `cmd:"" help:"Print the version."`
	OpenAPI openAPICommand `cmd:"" name:"openapi" help:"Print the OpenAPI document of the HTTP API."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c commands
	parser := kong.Parse(&c, kong.Name("besedka"),
		kong.Description("Besedka: a social audio network on your own server."),
		kong.UsageOnError(), kong.BindTo(ctx, (*context.Context)(nil)))
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	if err := parser.Run(log); err != nil {
		fmt.Fprintln(os.Stderr, "besedka:", err)
		os.Exit(1)
	}
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run() error {
	fmt.Println("besedka", version)
	return nil
}
