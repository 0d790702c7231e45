//go:build !unix

package main

import "time"

// openFiles is not known here.
func openFiles() (limit uint64, known bool) { return 0, false }

// processorTime is not known here.
func processorTime() time.Duration { return 0 }
