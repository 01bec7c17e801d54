package server

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestQueues: two queues hold what slices would, whoever joins or leaves.
func TestQueues(t *testing.T) {
	var queues [2]queue
	var want [2][]*connection
	all := make([]*connection, 7)
	for i := range all {
		all[i] = &connection{}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		k := all[random.IntN(len(all))]
		k.in.leave()
		for i := range want {
			want[i] = slices.DeleteFunc(want[i], func(other *connection) bool { return other == k })
		}
		if to := random.IntN(3); to < 2 {
			queues[to].push(k, &k.in)
			want[to] = append(want[to], k)
		}
		for i := range queues {
			l := &queues[i]
			var got []*connection
			for p := l.first; p != nil; p = p.after {
				got = append(got, p.of)
			}
			if !slices.Equal(got, want[i]) || l.Len() != len(got) {
				t.Fatalf("queue %d has %v, %d long, want %v", i, got, l.Len(), want[i])
			}
			if len(got) == 0 && (l.Front() != nil || l.Back() != nil) || len(got) > 0 && (l.Front() != got[0] || l.Back() != got[len(got)-1]) {
				t.Fatalf("queue %d begins with %p and ends with %p, want %v", i, l.Front(), l.Back(), got)
			}
		}
	}
}
