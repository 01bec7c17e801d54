package bucket

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// A world is traffic and servers, for a simulation of what writing to the bucket brings. Requests are
// those that a CDN in front lets through. A server owns each variant, as with peer fill or a front
// that hashes paths.
type world struct {
	ranks  int     // images in use at a time, by how often they are asked for
	alpha  float64 // the r-th is asked for 1/r^alpha as often as the first
	life   float64 // days until an image is replaced by another one
	perDay int     // requests
	nodes  int
	disk   float64 // variants on the disks of all servers, of ranks
	lost   float64 // days until a server is replaced, and its disk is empty
}

// A policy says what is written to the bucket.
type policy string

const (
	never     policy = "no bucket"
	always    policy = "always"
	secondUse policy = "second use"
)

// tally is what a policy comes to for a million requests.
type tally struct {
	local, bucket, made, puts, gets float64
}

// List prices of S3 in us-east-1, in dollars for a million; and 50 ms of a processor at $0.04 an hour
// with a fetch of the original from S3.
const (
	putPrice  = 5
	getPrice  = 0.40
	makePrice = 50e-3/3600*0.04*1e6 + getPrice
)

func (t tally) cost() float64 {
	return (t.puts*putPrice + t.gets*getPrice + t.made*makePrice) / 1e6
}

const keptFor = 30 // days in the bucket

func (w world) simulate(p policy, days int) (t tally) {
	random := rand.New(rand.NewPCG(1, 2))
	disks := make([]*simplelru.LRU[uint64, struct{}], w.nodes)
	made := make([]*filter, w.nodes)
	replaced := make([]float64, w.nodes)
	inBucket := map[uint64]float64{} // until when
	most := max(int(w.disk*float64(w.ranks))/w.nodes, 1)
	for i := range disks {
		disks[i], _ = simplelru.NewLRU[uint64, struct{}](most, nil) // the size is positive
		made[i] = newFilter(256 << 10)
		replaced[i] = w.lost * float64(i) / float64(w.nodes)
	}
	counted := 0
	for n := range days * w.perDay {
		now := float64(n) / float64(w.perDay)
		if n == days*w.perDay/2 { // it has settled
			t = tally{}
		}
		if n >= days*w.perDay/2 {
			counted++
		}
		rank := uint64(float64(w.ranks) * math.Pow(random.Float64(), 1/(1-w.alpha)))
		age := now/w.life + float64(mix(rank)%1000)/1000
		key := mix(rank<<20 | uint64(age))
		at := int(mix(key) % uint64(w.nodes))
		if now >= replaced[at]+w.lost {
			replaced[at] += w.lost
			disks[at].Purge()
			made[at] = newFilter(256 << 10)
		}
		put := func() {
			if until, ok := inBucket[key]; p != never && (!ok || until < now) {
				t.puts++
				inBucket[key] = now + keptFor
			}
		}
		if _, ok := disks[at].Get(key); ok {
			t.local++
			put() // with always, it is there
			continue
		}
		disks[at].Add(key, struct{}{})
		if until, ok := inBucket[key]; ok && until >= now {
			t.gets++
			t.bucket++
			continue
		}
		t.made++
		if p == always || !made[at].add(print(key>>(64-printBits))) {
			put()
		}
	}
	scale := 1e6 / float64(counted)
	return tally{t.local * scale, t.bucket * scale, t.made * scale, t.puts * scale, t.gets * scale}
}

// TestPolicies: writing at the second use costs less than writing each variant, also with the variants
// that are made again. It is why that is the default. With -v it logs the table of docs/scale.md.
func TestPolicies(t *testing.T) {
	for _, test := range []struct {
		name string
		world
	}{
		{"large disks that stay", world{alpha: 0.8, life: 60, disk: 1, lost: 1e9}},
		{"large disks, lost weekly", world{alpha: 0.8, life: 60, disk: 1, lost: 7}},
		{"small disks that stay", world{alpha: 0.8, life: 60, disk: 0.1, lost: 1e9}},
		{"small disks, lost weekly", world{alpha: 0.8, life: 60, disk: 0.1, lost: 7}},
		{"small disks, flat traffic", world{alpha: 0.6, life: 60, disk: 0.1, lost: 7}},
		{"news: images live three days", world{alpha: 0.9, life: 3, disk: 0.1, lost: 7}},
	} {
		w := test.world
		w.ranks, w.perDay, w.nodes = 8_000, 1_000, 4
		costs := map[policy]tally{}
		for _, p := range []policy{never, always, secondUse} {
			of := w.simulate(p, 60)
			costs[p] = of
			t.Logf("| %s | %s | %.1f %% | %.1f %% | %.1f %% | %.0f | %.0f | $%.2f |", test.name, p, of.local/1e4, of.bucket/1e4, of.made/1e4, of.puts/1e3, of.gets/1e3, of.cost())
		}
		if a, s := costs[always].cost(), costs[secondUse].cost(); s > 0.95*a {
			t.Errorf("%s: $%.2f at the second use, $%.2f always", test.name, s, a)
		}
	}
}
