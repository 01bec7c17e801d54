package server

import (
	"errors"
	"os"
	"sync"
	"time"
)

// A readDeadline is that of a connection's reads. net/http sets it six times for each request, mostly
// while nothing is read, and setting it at the poller costs 0.1 µs each time. So the poller gets it
// when something is read, and keeps an earlier one: a read that the earlier one ends goes on.
type readDeadline struct {
	mu      sync.Mutex
	holds   time.Time // zero is none
	polled  time.Time // the poller's; zero is none
	reading int       // reads that run
}

// longOver reports whether a deadline is in 1970. With such a one, net/http ends a read at once.
func longOver(t time.Time) bool { return !t.IsZero() && t.Unix() < 365*24*60*60 }

// SetReadDeadline implements [net.Conn].
func (k *connection) SetReadDeadline(t time.Time) error {
	d := &k.deadline
	d.mu.Lock()
	defer d.mu.Unlock()
	d.holds = t
	if d.reading == 0 {
		return nil // the next read heeds it
	}
	return k.poll()
}

// SetDeadline implements [net.Conn].
func (k *connection) SetDeadline(t time.Time) error {
	return errors.Join(k.SetReadDeadline(t), k.SetWriteDeadline(t))
}

// poll has the poller end reads at the deadline or earlier. The caller holds deadline.mu.
func (k *connection) poll() error {
	d := &k.deadline
	earlier := d.holds.IsZero() || !d.polled.IsZero() && !d.polled.After(d.holds)
	if earlier && !longOver(d.polled) {
		return nil
	}
	d.polled = d.holds
	return k.Conn.SetReadDeadline(d.holds)
}

// Read implements [net.Conn].
func (k *connection) Read(b []byte) (n int, err error) {
	d := &k.deadline
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		if longOver(d.holds) {
			return 0, os.ErrDeadlineExceeded
		}
		_ = k.poll() // where it fails, the read does too
		d.reading++
		d.mu.Unlock()
		n, err = k.Conn.Read(b)
		d.mu.Lock()
		d.reading--
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || !d.holds.IsZero() && !time.Now().Before(d.holds) {
			return n, err
		}
		d.polled = time.Unix(1, 0) // it would end the next read too
	}
}
