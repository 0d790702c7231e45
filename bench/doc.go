// Package bench measures what the machine itself asks for one packet to one
// listener. The programs beside it hold servers against that: bench/run drives
// Besedka and the plain-Pion server of bench/pion in one run (make bench).
//
// Nothing here asserts anything: figures are for people, and only ratios of one
// run mean something.
package bench
