package account

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"besedka"
	"besedka/blob"
	"besedka/db"
	"besedka/picture"
)

// PhotoSize says how large a picture is asked for.
type PhotoSize string

// The sizes of photos, which are squares.
const (
	PhotoSmall PhotoSize = "small" // 128 pixels
	PhotoLarge PhotoSize = "large" // 512 pixels
)

const (
	photoFolder = "photos"
	smallSide   = 128
	largeSide   = 512

	// forgotten is how old a picture is that no account names before it is deleted:
	// the account of a younger one may be about to name it.
	forgotten = time.Hour
)

// photoFile is the name of a picture in the store.
func photoFile(photo string, size PhotoSize) string {
	return photoFolder + "/" + photo + "-" + string(size) + ".jpg"
}

// SetPhoto makes pictures of the file and shows them as the account's, under a
// name that cannot be guessed, instead of the ones it had, which are deleted. The
// file is of any size that the caller may send: picture.MaxBytes bounds it.
// picture.ErrInvalid, picture.ErrTooLarge.
func (s *Service) SetPhoto(ctx context.Context, account besedka.AccountID, file []byte) (Account, error) {
	if len(file) > picture.MaxBytes {
		return Account{}, picture.ErrTooLarge
	}
	made, err := s.pictures.Square(ctx, file, smallSide, largeSide)
	if err != nil {
		return Account{}, fmt.Errorf("make pictures: %w", err)
	}
	photo := besedka.NewID(s.random)
	for i, size := range []PhotoSize{PhotoSmall, PhotoLarge} {
		if err := s.photos.Put(ctx, photoFile(photo, size), bytes.NewReader(made[i])); err != nil {
			return Account{}, err // what is left is swept away
		}
	}
	return s.showPhoto(ctx, account, photo)
}

// RemovePhoto leaves the account without a photo and deletes the pictures it had.
func (s *Service) RemovePhoto(ctx context.Context, account besedka.AccountID) error {
	_, err := s.showPhoto(ctx, account, "")
	return err
}

// RemovePhotoOf is RemovePhoto by the operator. besedka.ErrNotFound when nobody has the username.
func (s *Service) RemovePhotoOf(ctx context.Context, username string) error {
	a, err := s.ByUsername(ctx, username)
	if err != nil {
		return err
	}
	return s.RemovePhoto(ctx, a.ID)
}

// showPhoto makes photo the account's and deletes the one before.
func (s *Service) showPhoto(ctx context.Context, account besedka.AccountID, photo string) (Account, error) {
	var a Account
	var before string
	err := s.db.Write(ctx, func(tx *db.Tx) (err error) {
		err = tx.QueryRow(`SELECT photo FROM accounts WHERE id = $1`+tx.ForUpdate(), string(account)).Scan(&before)
		if errors.Is(err, sql.ErrNoRows) {
			return besedka.ErrNotFound
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE accounts SET photo = $2 WHERE id = $1`, string(account), photo); err != nil {
			return err
		}
		a, err = load(tx, `a.id = $1`, string(account))
		return err
	})
	if err != nil {
		return Account{}, fmt.Errorf("show photo: %w", err)
	}
	if before != "" && s.photos != nil {
		s.complain(ctx, "delete photo", s.deletePhoto(context.WithoutCancel(ctx), before)) // else it is swept away
	}
	return a, nil
}

func (s *Service) deletePhoto(ctx context.Context, photo string) error {
	return errors.Join(s.photos.Delete(ctx, photoFile(photo, PhotoSmall)), s.photos.Delete(ctx, photoFile(photo, PhotoLarge)))
}

// Photo opens a picture, a JPEG. besedka.ErrNotFound when there is none.
func (s *Service) Photo(ctx context.Context, photo string, size PhotoSize) (*blob.File, error) {
	if s.photos == nil || size != PhotoSmall && size != PhotoLarge {
		return nil, besedka.ErrNotFound
	}
	file, err := s.photos.Get(ctx, photoFile(photo, size))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, besedka.ErrNotFound
	}
	return file, err
}

// sweepPhotos deletes the pictures that no account names.
func (s *Service) sweepPhotos(ctx context.Context) error {
	var old []blob.Info
	for about, err := range s.photos.List(ctx, photoFolder) {
		if err != nil {
			return err
		}
		if s.now().Sub(about.Modified) > forgotten {
			old = append(old, about)
		}
		if len(old) == rowsAtOnce {
			if err := s.deleteUnnamed(ctx, old); err != nil {
				return err
			}
			old = old[:0]
		}
	}
	return s.deleteUnnamed(ctx, old)
}

func (s *Service) deleteUnnamed(ctx context.Context, files []blob.Info) error {
	if len(files) == 0 {
		return nil
	}
	named := map[string]bool{}
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		clear(named)
		places, args := make([]string, len(files)), make([]any, len(files))
		for i, f := range files {
			places[i], args[i] = fmt.Sprintf("$%d", i+1), photoOfFile(f.Name)
		}
		rows, err := tx.Query(`SELECT photo FROM accounts WHERE photo IN (`+strings.Join(places, ", ")+`) AND photo <> ''`, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var photo string
			if err := rows.Scan(&photo); err != nil {
				return err
			}
			named[photo] = true
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("photos: %w", err)
	}
	for _, f := range files {
		if named[photoOfFile(f.Name)] {
			continue
		}
		if err := s.photos.Delete(ctx, f.Name); err != nil {
			return err
		}
	}
	return nil
}

// photoOfFile is the photo that a file in the store is a picture of.
func photoOfFile(name string) string {
	photo, _, _ := strings.Cut(path.Base(name), "-")
	return photo
}
