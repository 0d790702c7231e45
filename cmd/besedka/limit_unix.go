//go:build unix

package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// openFiles is how many files a program may have open here. The Go runtime raises
// the soft limit to the hard one, which is what counts.
func openFiles() (limit uint64, known bool) {
	var l unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l)
	return uint64(l.Max), err == nil
}

// processorTime is what this process has used so far, user and system.
func processorTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
