package cached_test

import (
	"path/filepath"
	"testing"
	"time"
)

// A node has something to serve from once the store has answered, or where there are
// copies of what it answered another time.
func TestAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T, r *remote, file string) {
		r.set(down)
		n := startNode(t, r, filepath.Join(filepath.Dir(file), "other.db"))
		time.Sleep(time.Hour)
		if n.Answered() {
			t.Error("neither the store nor a copy has answered")
		}
		r.set(fine)
		time.Sleep(10 * time.Second)
		if !n.Answered() {
			t.Error("the store has answered")
		}
		n.stop()

		n = startNode(t, r, file)
		if !n.Answered() {
			t.Error("the store has answered at once")
		}
		wantAll(t, n)
		time.Sleep(10 * time.Second)
		n.stop()
		r.set(down)
		n = startNode(t, r, file)
		defer n.stop()
		if !n.Answered() {
			t.Error("there are copies")
		}
	})
}
