// Package db opens the database of an instance and gives transactions, the
// outbox of facts and settings to the capabilities. It knows none of them.
//
// There are two databases and one SQL text. SQLite is the default: a file in
// the data folder, in WAL mode with synchronous=FULL, with one connection that
// writes and a pool that reads. PostgreSQL is chosen by URL. Queries use $1,
// $2, …; times are BIGINT milliseconds since 1970, truths are INTEGER 0 or 1,
// ids are TEXT. The few words that differ are asked of Tx (ForUpdate).
//
// Promises:
//
//   - When Write returns nil, everything it wrote survives the death of the
//     process and, with the shipped settings, the loss of power.
//   - A fact (Tx.Publish) exists exactly when its transaction was committed;
//     within its topic the numbers are 1, 2, 3, … without a gap, in the order
//     of the commits. OnCommit hooks are called after commit only.
//   - No call waits for the database longer than Patience. What cannot be done
//     by then is ErrUnavailable.
//   - Any number of processes may use one database at once, and several may
//     open a new one at the same time: migrations are applied once.
package db
