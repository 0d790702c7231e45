// Package besedka is the ground that every other package stands on: typed ids,
// roles, errors with a stable code, and facts.
//
// It imports the standard library only and knows no capability. What two
// packages must agree on without knowing each other stands here, and nothing
// else does.
package besedka
