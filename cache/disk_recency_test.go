package cache

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The list is compared with a plain slice, which has the last used file at the front.
func TestRecency(t *testing.T) {
	type file struct {
		key  Key
		size int64
	}
	var want []file
	r := newRecency()
	random := rand.New(rand.NewPCG(1, 2))
	for step := range 20000 {
		key := Key{byte(random.IntN(50))}
		size := random.Int64N(3 * fileBlock)
		at := slices.IndexFunc(want, func(f file) bool { return f.key == key })
		switch random.IntN(5) {
		case 0:
			r.add(key, size)
			if at >= 0 {
				want = slices.Delete(want, at, at+1)
			}
			want = slices.Insert(want, 0, file{key, size})
		case 1:
			r.addOldest(key, size)
			if at < 0 {
				want = append(want, file{key, size})
			}
		case 2:
			if known := r.touch(key); known != (at >= 0) {
				t.Fatalf("step %d: touch says %v", step, known)
			}
			if at >= 0 {
				f := want[at]
				want = slices.Insert(slices.Delete(want, at, at+1), 0, f)
			}
		default:
			if known := r.remove(key); known != (at >= 0) {
				t.Fatalf("step %d: remove says %v", step, known)
			}
			if at >= 0 {
				want = slices.Delete(want, at, at+1)
			}
		}
		var bytes int64
		for _, f := range want {
			bytes += (f.size + fileBlock - 1) / fileBlock * fileBlock
		}
		oldest, ok := r.oldest()
		if r.len() != len(want) || r.bytes != bytes || ok != (len(want) > 0) || ok && oldest != want[len(want)-1].key {
			t.Fatalf("step %d: %d files of %d bytes, want %d of %d", step, r.len(), r.bytes, len(want), bytes)
		}
	}
	if len(r.nodes) > 51 {
		t.Errorf("%d nodes for 50 keys: removed ones are not used again", len(r.nodes))
	}
	for want != nil {
		oldest, _ := r.oldest()
		last := want[len(want)-1]
		if oldest != last.key {
			t.Fatalf("oldest is %v, want %v", oldest, last.key)
		}
		r.remove(oldest)
		if want = want[:len(want)-1]; len(want) == 0 {
			want = nil
		}
	}
}
