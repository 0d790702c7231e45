package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"besedka"
	"besedka/db"
)

// LinksAtMost is how many links a profile has.
const LinksAtMost = 5

// Link leads from a profile to somewhere else.
type Link struct {
	URL   string `json:"url" doc:"http or https; at most 200 characters."`
	Label string `json:"label" required:"false" doc:"At most 40 characters; empty: the address says it."`
}

// Change is what somebody changes of their profile; nil leaves things as they are.
type Change struct {
	Name  *string
	Bio   *string // line breaks are kept
	Links *[]Link
}

// SetProfile changes the account's own profile, all of it or, with an error, nothing.
// The name may be changed once. ErrNameInvalid, ErrNameChanged, ErrBioInvalid,
// ErrLinksInvalid, or besedka.ErrNotFound for an unknown account.
func (s *Service) SetProfile(ctx context.Context, account besedka.AccountID, c Change) (Account, error) {
	c, err := c.valid()
	if err != nil {
		return Account{}, err
	}
	var a Account
	err = s.db.Write(ctx, func(tx *db.Tx) (err error) {
		var id string
		err = tx.QueryRow(`SELECT id FROM accounts WHERE id = $1`+tx.ForUpdate(), string(account)).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return besedka.ErrNotFound
		}
		if err != nil {
			return err
		}
		if a, err = load(tx, `a.id = $1`, string(account)); err != nil {
			return err
		}
		if err := c.write(tx, a); err != nil {
			return err
		}
		a, err = load(tx, `a.id = $1`, string(account))
		return err
	})
	if err != nil {
		return Account{}, fmt.Errorf("set profile: %w", err)
	}
	return a, nil
}

// lineEnds brings line breaks and tabs into one form.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\t", " ")

// valid is the change as it is kept.
func (c Change) valid() (Change, error) {
	if c.Name != nil {
		name, err := validName(*c.Name)
		if err != nil {
			return c, err
		}
		c.Name = &name
	}
	if c.Bio != nil {
		bio, ok := cleanBut(lineEnds.Replace(*c.Bio), maxBio, "\n")
		if !ok {
			return c, ErrBioInvalid
		}
		c.Bio = &bio
	}
	if c.Links != nil {
		links, err := validLinks(*c.Links)
		if err != nil {
			return c, err
		}
		c.Links = &links
	}
	return c, nil
}

func validLinks(links []Link) ([]Link, error) {
	if len(links) > LinksAtMost {
		return nil, ErrLinksInvalid
	}
	kept := make([]Link, len(links))
	for i, l := range links {
		address, ok := cleanText(l.URL, maxURL)
		if !ok || strings.ContainsAny(address, " \"<>\\^`{|}") {
			return nil, ErrLinksInvalid
		}
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
			return nil, ErrLinksInvalid
		}
		label, ok := cleanText(l.Label, maxLabel)
		if !ok {
			return nil, ErrLinksInvalid
		}
		kept[i] = Link{URL: address, Label: label}
	}
	return kept, nil
}

// write writes the change of a.
func (c Change) write(tx *db.Tx, a Account) error {
	if c.Name != nil && *c.Name != a.Name {
		if !a.NameChangeable {
			return ErrNameChanged
		}
		if _, err := tx.Exec(`UPDATE accounts SET name = $2, name_changed_at = $3 WHERE id = $1`, string(a.ID), *c.Name, tx.Millis()); err != nil {
			return err
		}
	}
	if c.Bio != nil {
		if _, err := tx.Exec(`UPDATE accounts SET bio = $2 WHERE id = $1`, string(a.ID), *c.Bio); err != nil {
			return err
		}
	}
	if c.Links == nil {
		return nil
	}
	if _, err := tx.Exec(`DELETE FROM account_links WHERE account_id = $1`, string(a.ID)); err != nil {
		return err
	}
	for place, l := range *c.Links {
		_, err := tx.Exec(`INSERT INTO account_links (account_id, place, url, label) VALUES ($1, $2, $3, $4)`, string(a.ID), place, l.URL, l.Label)
		if err != nil {
			return err
		}
	}
	return nil
}

// links gives the links of a profile in their order.
func links(tx *db.Tx, account besedka.AccountID) ([]Link, error) {
	list := []Link{}
	rows, err := tx.Query(`SELECT url, label FROM account_links WHERE account_id = $1 ORDER BY place`, string(account))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l Link
		if err := rows.Scan(&l.URL, &l.Label); err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	return list, rows.Err()
}
