package room

import (
	"cmp"
	"maps"
	"slices"
)

// table holds rows by key and remembers what every row was that has been
// touched since the last settle. That one memory serves three purposes: a
// refused command is undone without a copy of the room, a saved one writes
// only what it changed, and whom a change concerns is known.
type table[K cmp.Ordered, V comparable] struct {
	rows map[K]V
	was  map[K]old[V]
}

// old is what a row was; there is false when there was none.
type old[V comparable] struct {
	value V
	there bool
}

// change is a row that differs from what it was; now.there is false when it is gone.
type change[K cmp.Ordered, V comparable] struct {
	key K
	now old[V]
}

func newTable[K cmp.Ordered, V comparable]() table[K, V] {
	return table[K, V]{rows: map[K]V{}, was: map[K]old[V]{}}
}

func (t *table[K, V]) get(k K) (V, bool) {
	v, ok := t.rows[k]
	return v, ok
}

func (t *table[K, V]) has(k K) bool {
	_, ok := t.rows[k]
	return ok
}

func (t *table[K, V]) put(k K, v V) {
	t.remember(k)
	t.rows[k] = v
}

func (t *table[K, V]) drop(k K) {
	t.remember(k)
	delete(t.rows, k)
}

func (t *table[K, V]) dropAll() {
	for k := range t.rows {
		t.drop(k)
	}
}

func (t *table[K, V]) remember(k K) {
	if _, known := t.was[k]; known {
		return
	}
	v, ok := t.rows[k]
	t.was[k] = old[V]{v, ok}
}

// changes lists the rows that differ from what they were, in the order of their keys.
func (t *table[K, V]) changes() []change[K, V] {
	if len(t.was) == 0 {
		return nil
	}
	var list []change[K, V]
	for _, k := range slices.Sorted(maps.Keys(t.was)) {
		v, ok := t.rows[k]
		if now := (old[V]{v, ok}); now != t.was[k] {
			list = append(list, change[K, V]{k, now})
		}
	}
	return list
}

// swap puts every touched row back as it was and remembers what it had become;
// a second swap brings the change back.
func (t *table[K, V]) swap() {
	for k, was := range t.was {
		v, ok := t.rows[k]
		t.was[k] = old[V]{v, ok}
		if was.there {
			t.rows[k] = was.value
		} else {
			delete(t.rows, k)
		}
	}
}

// settle takes the rows as they are and forgets what they were.
func (t *table[K, V]) settle() { clear(t.was) }
