package bucket

import (
	"testing"
)

// prints are as hashes are.
func printAt(n int) print { return print(mix(uint64(n)) >> (64 - printBits)) }

func TestFilter(t *testing.T) {
	f := newFilter(1 << 20)
	n := capacity(1 << 20)
	for i := range n {
		f.add(printAt(i))
	}
	for i := range n {
		if !f.has(printAt(i)) {
			t.Fatalf("print %d of %d is missing", i, n)
		}
	}
	wrong := 0
	const others = 100_000
	for i := range others {
		if f.has(printAt(n + i)) {
			wrong++
		}
	}
	t.Logf("%d prints in %d bytes, %d parts: %.2f %% of others seem to be there", f.len(), f.size(), len(f.parts), 100*float64(wrong)/others)
	if wrong > others/25 {
		t.Errorf("%d of %d others seem to be there", wrong, others)
	}
	if f.size() > 1<<20 {
		t.Errorf("%d bytes", f.size())
	}
}

// TestFilterForgets: beyond its bound a filter forgets what came first, and the few others that
// seemed to be there already when they came.
func TestFilterForgets(t *testing.T) {
	f := newFilter(256 << 10)
	n := 3 * capacity(256<<10)
	for i := range n {
		f.add(printAt(i))
		if f.size() > 256<<10 {
			t.Fatalf("%d bytes", f.size())
		}
	}
	late, early := 0, 0
	for i := range n / 5 {
		if f.has(printAt(i)) {
			early++
		}
		if f.has(printAt(n - 1 - i)) {
			late++
		}
	}
	if late < n/5*98/100 || early > n/100 {
		t.Errorf("of %d each, %d of the first and %d of the last are there", n/5, early, late)
	}
}

func TestFilterStartsSmall(t *testing.T) {
	f := newFilter(1 << 30)
	f.add(printAt(1))
	if f.size() != leastPart || f.len() != 1 || f.add(printAt(1)) {
		t.Errorf("%d bytes for %d prints", f.size(), f.len())
	}
}

func BenchmarkFilter(b *testing.B) {
	f := newFilter(16 << 20)
	for i := range capacity(16 << 20) {
		f.add(printAt(i))
	}
	b.ReportMetric(float64(len(f.parts)), "parts")
	for i := 0; b.Loop(); i++ {
		f.has(printAt(i))
	}
}
