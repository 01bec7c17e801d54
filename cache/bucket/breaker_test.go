package bucket

import (
	"testing"
	"time"
)

func TestBreaker(t *testing.T) {
	b := &breaker{cooldown: 10 * time.Second}
	now := time.Now()
	allowed := func(want bool) {
		t.Helper()
		if ok, wait := b.allow(now); ok != want || ok != (wait == 0) {
			t.Fatalf("allow: %v, %v, want %v", ok, wait, want)
		}
	}
	b.failed(now)
	b.failed(now)
	if b.succeeded() {
		t.Error("two failures have opened it")
	}
	for range 3 {
		allowed(true)
		b.failed(now)
	}
	allowed(false)
	now = now.Add(10 * time.Second)
	allowed(true) // one tries
	allowed(false)
	b.failed(now)
	now = now.Add(9 * time.Second)
	allowed(false)
	now = now.Add(time.Second)
	allowed(true)
	if !b.succeeded() {
		t.Error("success after an outage isn't told from any other")
	}
	allowed(true)
	allowed(true)
}
