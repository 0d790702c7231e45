// Package test holds the promises of the program as it is seen from outside: the
// real binary on a folder of its own, spoken to over HTTP, WHIP, WHEP and the
// event stream, killed and started again. No test here knows a package of the server
// or looks at its state: packets, answers, rows and exit codes only.
//
// The tests build the program themselves; BESEDKA_BIN names one that is built.
package test
