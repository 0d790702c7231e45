package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// program is the path of the program under test.
var program string

func TestMain(m *testing.M) {
	code, err := prepare(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// prepare builds the program and an instance with people, which every test copies.
func prepare(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "besedka-test-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if program = os.Getenv("BESEDKA_BIN"); program == "" {
		program = filepath.Join(dir, "besedka")
		build := exec.Command("go", "build", "-o", program, "besedka/cmd/besedka")
		if out, err := build.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("build the program: %w\n%s", err, out)
		}
	}
	if err := makeTemplate(filepath.Join(dir, "template")); err != nil {
		return 1, fmt.Errorf("make an instance with people: %w", err)
	}
	return m.Run(), nil
}
