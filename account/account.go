package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"besedka"
	"besedka/blob"
	"besedka/db"
	"besedka/picture"
)

// Config is what a Service needs besides the database.
type Config struct {
	URL    string // where people reach the instance, as https://example.org
	Now    func() time.Time
	Random io.Reader // safe for several goroutines, as crypto/rand.Reader
	Log    *slog.Logger

	// Photos keeps the pictures of people and Pictures makes them. Without them
	// there is everything but SetPhoto.
	Photos   *blob.Folder
	Pictures *picture.Maker
}

// Service is everything about accounts. It is safe for use by several goroutines.
type Service struct {
	db     *db.DB
	url    string
	now    func() time.Time
	random io.Reader
	log    *slog.Logger

	photos   *blob.Folder
	pictures *picture.Maker

	hasher  *hasher
	guesses *throttle // of passphrases, by account and place
	places  *budget   // of failures, by network
	cache   *cache

	mu    sync.RWMutex
	hooks []func(besedka.CredentialID, besedka.ParticipantID)
}

// New makes a Service. Run must run beside it in a server.
func New(d *db.DB, c Config) *Service {
	return &Service{
		db:     d,
		url:    strings.TrimRight(c.URL, "/"),
		now:    c.Now,
		random: c.Random,
		log:    c.Log,

		photos:   c.Photos,
		pictures: c.Pictures,

		hasher:  newHasher(c.Random),
		guesses: newThrottle(),
		places:  newBudget(),
		cache:   newCache(),
	}
}

// Person is what everybody on the instance may know of an account at a glance.
type Person struct {
	ID       besedka.AccountID `json:"id"`
	Username string            `json:"username"`
	Name     string            `json:"name"`
	// Photo names the pictures of the account; "" for none, and while it is suspended.
	Photo string `json:"photo"`
}

// Account is an account as its profile shows it.
type Account struct {
	Person
	CreatedAt   time.Time `json:"created_at"`
	Founder     bool      `json:"founder"`
	NominatedBy *Person   `json:"nominated_by"` // nil: invited by the operator
	Bio         string    `json:"bio"`
	Links       []Link    `json:"links"`
	// NameChangeable says whether the name may still be changed, which is done once.
	NameChangeable bool `json:"name_changeable"`
	// Suspended accounts show nothing but their name.
	Suspended bool `json:"suspended"`
	// InvitationsLeft is for the account itself only; nil means without limit.
	InvitationsLeft *int `json:"invitations_left"`
}

// photoOf is the SQL of an account's photo, which nobody is shown while the
// account is suspended; now is the place of the present time.
func photoOf(table, now string) string {
	return `CASE WHEN ` + suspendedAt(table, now) + ` THEN '' ELSE ` + table + `.photo END`
}

// suspendedAt is the SQL that says whether an account is suspended now.
func suspendedAt(table, now string) string {
	return `EXISTS (SELECT 1 FROM suspensions s WHERE s.account_id = ` + table + `.id AND s.lifted_at IS NULL
		AND (s.ends_at IS NULL OR s.ends_at > ` + now + `))`
}

// nullPerson is a person out of an outer join.
type nullPerson struct{ id, username, name, photo sql.NullString }

// person is nil when there is none.
func (p nullPerson) person() *Person {
	if !p.id.Valid {
		return nil
	}
	return &Person{ID: besedka.AccountID(p.id.String), Username: p.username.String, Name: p.name.String, Photo: p.photo.String}
}

// Account gives the account with the id, or besedka.ErrNotFound.
func (s *Service) Account(ctx context.Context, id besedka.AccountID) (Account, error) {
	return s.find(ctx, `a.id = $1`, string(id))
}

// ByUsername gives the account with exactly this username, or besedka.ErrNotFound.
func (s *Service) ByUsername(ctx context.Context, username string) (Account, error) {
	if !validUsername(username) {
		return Account{}, besedka.ErrNotFound
	}
	return s.find(ctx, `a.username = $1`, username)
}

func (s *Service) find(ctx context.Context, where, value string) (Account, error) {
	var a Account
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		a, err = load(tx, where, value)
		return err
	})
	if err != nil {
		return Account{}, fmt.Errorf("find account: %w", err)
	}
	return a, nil
}

func load(tx *db.Tx, where, value string) (Account, error) {
	var a Account
	var created int64
	var founder, stock int
	var nominator nullPerson
	var renamed sql.NullInt64
	err := tx.QueryRow(`SELECT a.id, a.username, a.name, `+photoOf("a", "$2")+`, a.created_at, a.founder, a.invitation_stock,
		a.bio, a.name_changed_at, n.id, n.username, n.name, `+photoOf("n", "$2")+`
		FROM accounts a LEFT JOIN accounts n ON n.id = a.nominated_by WHERE `+where, value, tx.Millis()).
		Scan(&a.ID, &a.Username, &a.Name, &a.Photo, &created, &founder, &stock,
			&a.Bio, &renamed, &nominator.id, &nominator.username, &nominator.name, &nominator.photo)
	if errors.Is(err, sql.ErrNoRows) {
		return a, besedka.ErrNotFound
	}
	if err != nil {
		return a, err
	}
	a.CreatedAt = time.UnixMilli(created).UTC()
	a.Founder = founder == 1
	a.NominatedBy = nominator.person()
	a.NameChangeable = !renamed.Valid
	if a.Suspended, err = isSuspended(tx, a.ID); err != nil {
		return a, err
	}
	if a.Links, err = links(tx, a.ID); err != nil {
		return a, err
	}
	a.InvitationsLeft, err = invitationsLeft(tx, a.ID, a.Founder, stock)
	return a, err
}

// peopleAtOnce is how many ids one query asks for.
const peopleAtOnce = 500

// People gives a Person for each of the ids that is an account's.
func (s *Service) People(ctx context.Context, ids []besedka.AccountID) (map[besedka.AccountID]Person, error) {
	return s.people(ctx, ids, "")
}

// Active is People without those who are suspended.
func (s *Service) Active(ctx context.Context, ids []besedka.AccountID) (map[besedka.AccountID]Person, error) {
	return s.people(ctx, ids, ` AND NOT `+suspendedAt("a", "$1"))
}

func (s *Service) people(ctx context.Context, ids []besedka.AccountID, but string) (map[besedka.AccountID]Person, error) {
	people := make(map[besedka.AccountID]Person, len(ids))
	if len(ids) == 0 {
		return people, nil
	}
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		clear(people)
		for rest := ids; len(rest) > 0; rest = rest[min(len(rest), peopleAtOnce):] {
			if err := loadPeople(tx, rest[:min(len(rest), peopleAtOnce)], but, people); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find people: %w", err)
	}
	return people, nil
}

func loadPeople(tx *db.Tx, ids []besedka.AccountID, but string, into map[besedka.AccountID]Person) error {
	places := make([]string, len(ids))
	args := []any{tx.Millis()}
	for i, id := range ids {
		args = append(args, string(id))
		places[i] = fmt.Sprintf("$%d", len(args))
	}
	rows, err := tx.Query(`SELECT a.id, a.username, a.name, `+photoOf("a", "$1")+`
		FROM accounts a WHERE a.id IN (`+strings.Join(places, ", ")+`)`+but, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var p Person
		if err := rows.Scan(&p.ID, &p.Username, &p.Name, &p.Photo); err != nil {
			return err
		}
		into[p.ID] = p
	}
	return rows.Err()
}
