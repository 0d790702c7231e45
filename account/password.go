package account

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"besedka"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// How long a passphrase is, in characters. NIST SP 800-63B-4 §3.1.1.2: at least
// fifteen where it is the only factor; nothing is asked of its composition.
const (
	minPassword         = 15
	minOperatorPassword = 8
	maxPassword         = 256
)

// argon2id with parameters at or above the OWASP Password Storage Cheat Sheet's
// (m = 19 MiB, t = 2, p = 1).
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16
	argonKey     = 32
)

// A hash costs 19 MiB and some tens of milliseconds of a core, which sound must
// not miss: half of the cores are the most that hashing gets, one at least, and
// only some may wait.
const (
	hashesWaiting = 64
	hashPatience  = 4 * time.Second
)

func hashesAtOnce() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// What a kept hash may ask for, so that none takes much longer than 100 ms of a
// slow core whoever wrote it.
const (
	maxArgonWork    = 64 * 1024 // KiB times passes
	maxArgonThreads = 4
)

// hasher makes and checks hashes of passphrases.
type hasher struct {
	random       io.Reader
	memory, time uint32        // argonMemory and argonTime; tests of other things make it cheap
	queue        chan struct{} // one place for everybody who hashes or waits
	slots        chan struct{}
	work         atomic.Int64 // KiB times passes, all in all
	dummy        string       // checked instead of the hash of an account that does not exist
}

func newHasher(random io.Reader) *hasher {
	h := &hasher{
		random: random,
		memory: argonMemory,
		time:   argonTime,
		queue:  make(chan struct{}, hashesAtOnce()+hashesWaiting),
		slots:  make(chan struct{}, hashesAtOnce()),
	}
	h.dummy = h.encode(make([]byte, argonSalt), make([]byte, argonKey)) // no passphrase has an all-zero key
	return h
}

// enter waits for a turn; ErrBusy when too many wait already. leave ends the turn.
func (h *hasher) enter(ctx context.Context) error {
	select {
	case h.queue <- struct{}{}:
	default:
		return ErrBusy.After(time.Second)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, hashPatience, ErrBusy.After(time.Second))
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-h.queue
		return context.Cause(ctx)
	}
}

func (h *hasher) leave() {
	<-h.slots
	<-h.queue
}

// hash gives the text that is kept for a passphrase.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	salt := make([]byte, argonSalt)
	if _, err := io.ReadFull(h.random, salt); err != nil {
		return "", fmt.Errorf("no randomness: %w", err)
	}
	h.work.Add(int64(h.memory) * int64(h.time))
	return h.encode(salt, derive(password, argonHash{h.memory, h.time, argonThreads, salt, make([]byte, argonKey)})), nil
}

// check says whether the passphrase is the one that was hashed. An empty hash
// stands for an account that does not exist: false, after the same work.
func (h *hasher) check(ctx context.Context, password, hash string) (bool, error) {
	exists := hash != ""
	if !exists {
		hash = h.dummy
	}
	p, err := decode(hash)
	if err != nil {
		return false, err
	}
	if err := h.enter(ctx); err != nil {
		return false, err
	}
	defer h.leave()
	h.work.Add(int64(p.memory) * int64(p.time))
	key := derive(password, p)
	return subtle.ConstantTimeCompare(key, p.key) == 1 && exists, nil
}

// derive makes the key, as long as p's. It has the priority of everything else:
// a thread that gave way would hold up the collector, and with it all sound.
func derive(password string, p argonHash) []byte {
	return argon2.IDKey(canonical(password), p.salt, p.time, p.memory, p.threads, uint32(len(p.key)))
}

// canonical is one spelling for what different keyboards send for the same
// characters. NIST SP 800-63B-4 §3.1.1.2: "the verifier SHOULD apply the
// normalization process […] using either the NFKC or NFKD normalization".
func canonical(password string) []byte { return norm.NFKC.Bytes([]byte(password)) }

var b64 = base64.RawStdEncoding

// encode writes a hash in the usual form of argon2's own tools.
func (h *hasher) encode(salt, key []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, argonThreads,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

type argonHash struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

func decode(hash string) (argonHash, error) {
	var h argonHash
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, errors.New("the kept hash of a passphrase is of an unknown kind")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.threads); err != nil {
		return h, fmt.Errorf("parameters of a kept hash: %w", err)
	}
	var err error
	if h.salt, err = b64.DecodeString(parts[4]); err != nil {
		return h, fmt.Errorf("salt of a kept hash: %w", err)
	}
	if h.key, err = b64.DecodeString(parts[5]); err != nil || len(h.key) < 16 || h.time == 0 || h.threads == 0 {
		return h, errors.New("a kept hash is damaged")
	}
	if h.memory > maxArgonWork/h.time || h.threads > maxArgonThreads {
		return h, errors.New("a kept hash asks for too much work")
	}
	return h, nil
}

// checkPassword applies the rules for passphrases chosen over the network.
func checkPassword(password, username, name string) error {
	if err := checkLength(password, minPassword); err != nil {
		return err
	}
	lower := strings.ToLower(string(canonical(password)))
	if containsName(lower, username) || isPredictable(lower, append(strings.Fields(strings.ToLower(name)), username)) {
		return ErrPasswordTooCommon
	}
	return nil
}

// checkOperatorPassword applies the rules for passphrases that the operator
// sets: the whole of it must not be one of the commonest.
func checkOperatorPassword(password string) error {
	if err := checkLength(password, minOperatorPassword); err != nil {
		return err
	}
	lower := strings.ToLower(string(canonical(password)))
	if slices.Contains(common, strings.TrimRight(lower, "0123456789")) || isRepetition(lower) || isSequence(lower, 3) {
		return ErrPasswordTooCommon
	}
	return nil
}

func checkLength(password string, shortest int) error {
	if len(password) > 4*maxPassword {
		return ErrPasswordTooLong
	}
	if !utf8.ValidString(password) {
		return besedka.ErrInvalid.In("password")
	}
	switch n := utf8.RuneCountInString(password); {
	case n < shortest:
		return ErrPasswordTooShort
	case n > maxPassword:
		return ErrPasswordTooLong
	}
	return nil
}

// containsName says whether the username stands in the passphrase. A short one
// counts only as a word of its own: "ann" is no part of "channel".
func containsName(lower, username string) bool {
	if len(username) >= 5 {
		return strings.Contains(lower, username)
	}
	for _, word := range strings.FieldsFunc(lower, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' }) {
		if word == username {
			return true
		}
	}
	return false
}

// common are the words, rows of keys and sequences that the commonest leaked
// passwords are made of, in English and Russian.
var common = []string{
	"passw0rd", "password", "passwort", "qwertyuiop", "qwerty", "asdfghjkl", "asdfgh", "zxcvbnm", "zxcvbn", "1q2w3e4r", "1qaz2wsx", "qazwsx",
	"iloveyou", "letmein", "welcome", "administrator", "admin", "monkey", "dragon", "football", "baseball", "sunshine", "princess", "superman",
	"master", "shadow", "trustno1", "whatever", "starwars", "changeme", "secret", "abcdefghijklmnopqrstuvwxyz", "abcdefgh", "abcdef", "abc",
	"besedka", "беседка", "пароль", "йцукенгшщзхъ", "йцукен", "фывапролджэ", "фывапр", "ячсмить", "любовь", "привет", "наташа", "спартак", "qwe", "asd", "zxc",
}

// leftover is how many different letters must remain when everything that can
// be foreseen was taken out of a passphrase.
const leftover = 3

// isPredictable says that a passphrase, in lower case, is little more than
// common words, words about the person, sequences of digits and repetition.
func isPredictable(lower string, about []string) bool {
	rest := lower
	for _, word := range about {
		if utf8.RuneCountInString(word) >= 3 {
			rest = strings.ReplaceAll(rest, word, "")
		}
	}
	for _, word := range common {
		rest = strings.ReplaceAll(rest, word, "")
	}
	different := map[rune]bool{}
	for _, r := range rest {
		if unicode.IsLetter(r) {
			different[r] = true
		}
	}
	return isRepetition(rest) || (len(different) < leftover && isSequence(rest, 8))
}

// isRepetition says that the text is a unit of at most four characters said
// three times or more.
func isRepetition(s string) bool {
	runes := []rune(s)
	for unit := 1; unit <= 4; unit++ {
		same := len(runes) >= 3*unit
		for i := unit; same && i < len(runes); i++ {
			same = runes[i] == runes[i-unit]
		}
		if same {
			return true
		}
	}
	return false
}

// isSequence says that the text has fewer steps than that between neighbouring
// characters that are neither a repetition nor one up or down.
func isSequence(s string, fewest int) bool {
	runes := []rune(s)
	steps := 0
	for i := 1; i < len(runes); i++ {
		if d := runes[i] - runes[i-1]; d < -1 || d > 1 {
			steps++
		}
	}
	return steps < fewest
}
