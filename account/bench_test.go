package account_test

import (
	"crypto/rand"
	"log/slog"
	"testing"
	"time"

	"besedka/account"
	"besedka/db"
)

// BenchmarkAuthenticate is what every request pays: from memory, and from the database.
func BenchmarkAuthenticate(b *testing.B) {
	now := time.Now()
	for name, clock := range map[string]func() time.Time{"memory": func() time.Time { return now }, "database": time.Now} {
		b.Run(name, func(b *testing.B) {
			log := slog.New(slog.DiscardHandler)
			d, err := db.Open(ctx, db.Options{Dir: b.TempDir(), Now: time.Now, Log: log})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			s := account.New(d, account.Config{Now: clock, Random: rand.Reader, Log: log})
			if _, err := s.CreateAccount(ctx, "member", "Member", passphrase); err != nil {
				b.Fatal(err)
			}
			token, err := s.CreateToken(ctx, "member")
			if err != nil {
				b.Fatal(err)
			}
			if name == "memory" {
				s.Confirm()
			}
			for b.Loop() {
				if _, err := s.Authenticate(ctx, token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSignIn is mostly one argon2id.
func BenchmarkSignIn(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	d, err := db.Open(ctx, db.Options{Dir: b.TempDir(), Now: time.Now, Log: log})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	s := account.New(d, account.Config{Now: time.Now, Random: rand.Reader, Log: log})
	if _, err := s.CreateAccount(ctx, "member", "Member", passphrase); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := s.SignIn(ctx, account.SignIn{Username: "member", Password: passphrase}); err != nil {
			b.Fatal(err)
		}
	}
}
