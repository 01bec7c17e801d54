package lease_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/lease"
	"github.com/tintype/tintype/workspace"
)

// newFleet is newBench at the real time, by which the store drops records.
func newFleet(t *testing.T) *bench {
	b := newBench(t)
	b.now = time.Now().Truncate(10 * time.Second)
	return b
}

func (b *bench) member(name string, off time.Duration) *lease.Members {
	return lease.NewMembers(b.store, "fleet", lease.Member{Name: name, Address: name + ":7070"},
		func() time.Time { return b.now.Add(off) }, slog.New(slog.DiscardHandler))
}

func (b *bench) sees(m *lease.Members, want, when string) {
	b.Helper()
	var names []string
	for _, of := range m.List() {
		names = append(names, of.Name)
		if of.Address != of.Name+":7070" {
			b.Errorf("%s: %s is at %s", when, of.Name, of.Address)
		}
	}
	if got := strings.Join(names, " "); got != want {
		b.Errorf("%s: sees %q, want %q", when, got, want)
	}
}

func (b *bench) look(all ...*lease.Members) {
	b.Helper()
	for range 2 { // the first ones see the last ones too
		for _, m := range all {
			if err := m.Look(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// TestMembers: servers see each other, whatever their clocks say. Who stops renewing is gone after
// half a minute, and who leaves is gone at once.
func TestMembers(t *testing.T) {
	for _, off := range []time.Duration{0, time.Hour, -time.Hour} {
		b := newFleet(t)
		one, two, three := b.member("one", 0), b.member("two", off), b.member("three", 0)
		b.sees(one, "one", "before the first look")
		b.look(one, two, three)
		for i := range 20 {
			b.sees(one, "one three two", fmt.Sprint("step ", i))
			b.sees(two, "one three two", fmt.Sprint("step ", i))
			b.now = b.now.Add(5 * time.Second)
			b.look(one, two, three)
		}
		for range 7 { // three has died
			b.now = b.now.Add(5 * time.Second)
			b.look(one, two)
		}
		b.sees(one, "one two", "half a minute after three's death")
		b.sees(two, "one two", "half a minute after three's death")
		if err := two.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.look(one)
		b.sees(one, "one", "two has left")
		if err := two.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.look(one)
		b.sees(one, "one", "who has left doesn't come back")
	}
}

// TestMembersWithoutStore: while the store fails, and after this server was stopped, nobody counts
// as gone who could not be seen.
func TestMembersWithoutStore(t *testing.T) {
	b := newFleet(t)
	c := &counter{inner: b.store}
	one := lease.NewMembers(c, "fleet", lease.Member{Name: "one", Address: "one:7070"}, func() time.Time { return b.now }, slog.New(slog.DiscardHandler))
	two := b.member("two", 0)
	b.look(one, two)
	b.sees(one, "one two", "at first")
	c.fail = workspace.ErrUnavailable
	for range 30 {
		b.now = b.now.Add(5 * time.Second)
		if b.now.Second()%10 == 0 { // when it renews
			if err := one.Look(t.Context()); !errors.Is(err, workspace.ErrUnavailable) {
				t.Fatal(err)
			}
		}
	}
	b.sees(one, "one two", "while the store fails")
	c.fail = nil
	b.look(one)
	b.sees(one, "one two", "the store answers again")
	for range 7 {
		b.now = b.now.Add(5 * time.Second)
		b.look(one)
	}
	b.sees(one, "one", "two has not come back")
}

// TestMemberWrites: a server that is alone writes every ten seconds, and once more where the store
// has dropped its record.
func TestMemberWrites(t *testing.T) {
	b := newFleet(t)
	c := &counter{inner: b.store}
	one := lease.NewMembers(c, "fleet", lease.Member{Name: "one", Address: "one:7070"}, func() time.Time { return b.now }, slog.New(slog.DiscardHandler))
	for range 60 {
		if err := one.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.now = b.now.Add(5 * time.Second)
	}
	if c.writes != 30 {
		t.Errorf("%d writes in five minutes", c.writes)
	}
	two := b.member("one", 0) // the same name: its record is another version now
	if err := two.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(time.Minute)
	if err := one.Look(t.Context()); err != nil {
		t.Errorf("after another version: %v", err)
	}
}
