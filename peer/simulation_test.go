//go:build !race

package peer

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/lease"
)

// A traffic is what a fleet is asked for: the r-th workspace gets a share of 1/r, and within it the
// s-th image one of 1/s; each image has some variants that are asked for equally often. All sizes are a
// thousandth of those of real fleets, and so are the caches.
type traffic struct {
	nodes, workspaces int
	asked             int // requests for each node that are counted, after as many that aren't
}

const (
	images   = 100 // of each workspace
	variants = 3   // of each image

	inMemory = 60     // variants in the memory of a node
	onDisk   = 500    // on its disk
	body     = 20_000 // bytes of a variant

	known  = 300  // workspaces in the memory of a node
	copies = 3000 // of workspaces, on its disk

	// The filter of a bucket says of one of so many variants that aren't there that they are, and of the
	// others one of so many is looked up nevertheless: see package cache/bucket.
	taken, checked = 30, 32
)

// A front says how requests come to nodes.
type front string

const (
	alone  front = "any node, each for itself"
	filled front = "any node, peer fill"
	hashed front = "by path"
)

// figures are counts of a simulation, or what formulas expect, for each request.
type figures struct {
	memory, disk, peer, bucket, made float64 // where variants came from
	lookups                          float64 // in the bucket
	written                          float64 // to the bucket
	loads                            float64 // of workspaces, that had left memory
	reads                            float64 // of these, from the store: there was no copy on the disk either
}

func (t traffic) String() string {
	return fmt.Sprintf("%d nodes, %d workspaces", t.nodes, t.workspaces)
}

// A node has the caches of a server: the memory is the real one.
type node struct {
	memory     *cache.Memory
	disk       *simplelru.LRU[cache.Key, struct{}]
	workspaces *simplelru.LRU[uint32, struct{}]
	copies     *simplelru.LRU[uint32, struct{}]
}

// A simulation runs a traffic through nodes.
type simulation struct {
	traffic
	front   front
	nodes   []node
	fleet   *Fleet
	places  []uint64 // hashes of the members, which Owner computes each time
	bucket  map[cache.Key]bool
	made    map[cache.Key]bool // once, and not written: the bucket has a filter, and is written at the second use; nil is neither
	unasked int                // lookups that the filter spared, since one was made nevertheless
	entry   *cache.Entry
	count   bool
	figures figures
}

func simulate(t *testing.T, load traffic, f front, secondUse bool) figures {
	s := &simulation{traffic: load, front: f, bucket: map[cache.Key]bool{}, entry: &cache.Entry{Body: make([]byte, body)}}
	if secondUse {
		s.made = map[cache.Key]bool{}
	}
	var members []lease.Member
	for i := range load.nodes {
		n := node{memory: cache.NewMemory(inMemory * (body + 512))}
		var err error
		if n.disk, err = simplelru.NewLRU[cache.Key, struct{}](onDisk, nil); err != nil {
			t.Fatal(err)
		}
		if n.workspaces, err = simplelru.NewLRU[uint32, struct{}](known, nil); err != nil {
			t.Fatal(err)
		}
		if n.copies, err = simplelru.NewLRU[uint32, struct{}](copies, nil); err != nil {
			t.Fatal(err)
		}
		s.nodes = append(s.nodes, n)
		members = append(members, lease.Member{Name: fmt.Sprint("server-", i)})
		s.places = append(s.places, hash(members[i].Name))
	}
	s.fleet = &Fleet{members: func() []lease.Member { return members }, states: map[string]*state{}}
	random := rand.New(rand.NewPCG(17, uint64(load.nodes)))
	for range load.asked * load.nodes {
		s.request(t, random)
	}
	s.count = true
	for range load.asked * load.nodes {
		s.request(t, random)
	}
	n := float64(load.asked * load.nodes)
	g := &s.figures
	for _, of := range []*float64{&g.memory, &g.disk, &g.peer, &g.bucket, &g.made, &g.lookups, &g.written, &g.loads, &g.reads} {
		*of /= n
	}
	return s.figures
}

// rank returns a number from 1 to n, of which k comes with a share of about 1/k.
func rank(random *rand.Rand, n int) uint32 {
	return uint32(math.Exp(random.Float64() * math.Log(float64(n+1))))
}

func (s *simulation) request(t *testing.T, random *rand.Rand) {
	workspace, image, variant := rank(random, s.traffic.workspaces), rank(random, images), random.IntN(variants)
	var key cache.Key
	binary.BigEndian.PutUint32(key[:], workspace)
	binary.BigEndian.PutUint32(key[4:], image)
	key[8] = byte(variant)
	at := random.IntN(len(s.nodes))
	if s.front == hashed {
		at = s.owner(t, key)
	}
	asked := &s.nodes[at]
	if !asked.workspaces.Contains(workspace) {
		s.add(&s.figures.loads, 1)
		if !asked.copies.Contains(workspace) {
			s.add(&s.figures.reads, 1)
		}
	}
	asked.workspaces.Add(workspace, struct{}{})
	asked.copies.Add(workspace, struct{}{})
	from := asked.look(key, s.entry)
	if from != "" && s.made[key] { // its second use
		s.write(key)
	}
	switch from {
	case "memory":
		s.add(&s.figures.memory, 1)
		return
	case "disk":
		s.add(&s.figures.disk, 1)
		return
	}
	owner := at
	if s.front == filled {
		owner = s.owner(t, key)
	}
	if owner != at && s.nodes[owner].look(key, s.entry) != "" {
		s.add(&s.figures.peer, 1)
	} else {
		s.fill(key)
		s.nodes[owner].put(key, s.entry)
	}
	if owner != at {
		asked.put(key, s.entry)
	}
}

// fill reads a variant from the bucket, or makes it and writes it there, at its second use or at once.
func (s *simulation) fill(key cache.Key) {
	if s.made == nil || s.bucket[key] || s.mistaken(key) {
		s.add(&s.figures.lookups, 1)
	}
	if s.bucket[key] {
		s.add(&s.figures.bucket, 1)
		return
	}
	s.add(&s.figures.made, 1)
	if s.made == nil || s.made[key] {
		s.write(key)
		return
	}
	s.made[key] = true
}

// mistaken reports whether a variant that the bucket has not is looked up nevertheless.
func (s *simulation) mistaken(key cache.Key) bool {
	if mix(hash(string(key[:9])))%taken == 0 {
		return true
	}
	s.unasked = (s.unasked + 1) % checked
	return s.unasked == 0
}

func (s *simulation) write(key cache.Key) {
	s.bucket[key] = true
	delete(s.made, key)
	s.add(&s.figures.written, 1)
}

func (s *simulation) add(to *float64, n float64) {
	if s.count {
		*to += n
	}
}

func (n *node) look(key cache.Key, e *cache.Entry) (from string) {
	if e, _ := n.memory.Get(context.Background(), key); e != nil {
		return "memory"
	}
	if _, ok := n.disk.Get(key); ok {
		n.memory.Put(context.Background(), key, e)
		return "disk"
	}
	return ""
}

func (n *node) put(key cache.Key, e *cache.Entry) {
	n.memory.Put(context.Background(), key, e)
	n.disk.Add(key, struct{}{})
}

// owner returns the node that Fleet.Owner names, with the hashes of the members computed once. Of some
// requests it asks Owner too.
func (s *simulation) owner(t *testing.T, key cache.Key) (at int) {
	what := key[:8] // the image, whatever the variant
	h := fnv.New64a()
	_, _ = h.Write(what)
	place := h.Sum64()
	var best uint64
	for i, of := range s.places {
		if score := mix(place ^ of); i == 0 || score > best {
			at, best = i, score
		}
	}
	if place%1009 == 0 {
		if name, _ := s.fleet.Owner(string(what)); name != fmt.Sprint("server-", at) {
			t.Fatalf("the owner is %s, want server-%d", name, at)
		}
	}
	return at
}

// A kind is a number of things that are asked for equally often.
type kind struct{ n, share float64 }

// kinds returns the things of ranks 1 to n, those of like ranks together.
func kinds(n int) (list []kind) {
	for a := 1; a <= n; {
		b := min(a+1+a/40, n+1)
		list = append(list, kind{float64(b - a), math.Log(float64(b)/float64(a)) / math.Log(float64(n+1)) / float64(b-a)})
		a = b
	}
	return list
}

// all returns the variants of a traffic.
func (t traffic) all() (list []kind) {
	for _, w := range kinds(t.workspaces) {
		for _, i := range kinds(images) {
			list = append(list, kind{w.n * i.n * variants, w.share * i.share / variants})
		}
	}
	return list
}

// distinct returns how many things are asked for in so many requests.
func distinct(of []kind, requests float64) (n float64) {
	for _, k := range of {
		n += k.n * -math.Expm1(-k.share*requests)
	}
	return n
}

// window returns in how many of its requests a cache is asked for as much as fits into it, and at most
// most: kept says how many things there are after so many.
func window(kept func(requests float64) float64, room int, most float64) float64 {
	if kept(most) <= float64(room) {
		return most
	}
	low, high := 0.0, most
	for range 40 {
		if mid := (low + high) / 2; kept(mid) > float64(room) {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}

// lru returns the share of requests that a cache answers that has what was asked for last, after so many
// requests (the approximation of Che, Tung and Wang).
func lru(of []kind, room int, before float64) (hits float64) {
	w := window(func(requests float64) float64 { return distinct(of, requests) }, room, before)
	for _, k := range of {
		hits += k.n * k.share * -math.Expm1(-k.share*w)
	}
	return hits
}

// shared is lru for one of several nodes that ask each other: a node has what it is asked for itself,
// and what it owns once any of them is. others is the share that the owner has.
func shared(of []kind, nodes, room int, before float64) (own, others float64) {
	n := float64(nodes)
	// A node that has a thing doesn't ask its owner.
	owned := func(k kind, requests float64) float64 {
		return -math.Expm1(-k.share * requests * (1 + (n-1)*math.Exp(-k.share*requests)))
	}
	w := window(func(requests float64) (have float64) {
		for _, k := range of {
			have += k.n * (owned(k, requests)/n - (1-1/n)*math.Expm1(-k.share*requests))
		}
		return have
	}, room, before)
	for _, k := range of {
		here, there := -math.Expm1(-k.share*w), owned(k, w)
		own += k.n * k.share * (there/n + (1-1/n)*here)
		others += k.n * k.share * (1 - 1/n) * (1 - here) * there
	}
	return own, others
}

// twice returns how many things are asked for twice or more in so many requests, and how many of these
// for the second time after more than so many others.
func twice(of []kind, requests, after float64) (n, late float64) {
	second := func(x float64) float64 { // a Poisson process of this mean has two events or more
		return -math.Expm1(-x) - x*math.Exp(-x)
	}
	for _, k := range of {
		n += k.n * second(k.share*requests)
		late += k.n * math.Exp(-k.share*after) * second(k.share*max(requests-after, 0))
	}
	return n, late
}

// bucketAtSecondUse returns how many variants are made and written in so many requests where nodes are as
// one cache with this room, and write a variant at its second use: one that has left the cache before is
// made once more.
func bucketAtSecondUse(of []kind, room int, requests float64) (made, written float64) {
	w := window(func(n float64) float64 { return distinct(of, n) }, room, requests)
	written, late := twice(of, requests, w)
	return distinct(of, requests) + late, written
}

// asked returns the lookups of a bucket with a filter.
func asked(found, made float64) float64 { return found + made*(1./taken+(1-1./taken)/checked) }

// Sizes are the rooms of a node, and how many requests it has seen since its caches were empty.
type sizes struct {
	inMemory, onDisk, known, copies int
	seen                            float64
}

// expected returns what formulas say of a traffic.
func expected(t traffic, f front, z sizes, made float64) (g figures) {
	all := t.all()
	switch f {
	case filled:
		g.memory, _ = shared(all, t.nodes, z.inMemory, z.seen)
		g.disk, g.peer = shared(all, t.nodes, z.onDisk, z.seen)
	case hashed: // a node is asked for its share of the images only: all are as one cache
		n := float64(t.nodes)
		g.memory = lru(all, z.inMemory*t.nodes, z.seen*n)
		g.disk = lru(all, z.onDisk*t.nodes, z.seen*n)
	default:
		g.memory = lru(all, z.inMemory, z.seen)
		g.disk = lru(all, z.onDisk, z.seen)
	}
	g.disk -= g.memory
	g.made = made
	g.lookups = max(1-g.memory-g.disk-g.peer, made) // where caches have all, what is made is what left the bucket
	g.bucket = g.lookups - g.made
	if f != hashed { // there the images of a workspace are spread over nodes, which is less by as much as it has few
		g.loads = 1 - lru(kinds(t.workspaces), z.known, z.seen)
		g.reads = 1 - lru(kinds(t.workspaces), z.copies, z.seen)
	}
	return g
}

// TestFleetSimulation holds the formulas of docs/scale.md to what nodes do, with traffic and caches of
// a thousandth, and the page's table to the formulas.
func TestFleetSimulation(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // many small entries
	for _, load := range []traffic{{1, 10, 10_000}, {4, 1000, 4000}, {10, 10_000, 4000}, {50, 100_000, 1000}, {200, 1_000_000, 500}} {
		for _, f := range []front{alone, filled, hashed} {
			if load.nodes == 1 && f != alone {
				continue
			}
			got := simulate(t, load, f, false)
			n := float64(load.asked * load.nodes)
			made := (distinct(load.all(), 2*n) - distinct(load.all(), n)) / n
			want := expected(load, f, sizes{inMemory, onDisk, known, copies, 1.5 * float64(load.asked)}, made)
			want.written = made
			if f == hashed {
				want.loads, want.reads = got.loads, got.reads
			}
			compare(t, load, f, got, want)
			if f == filled || f == alone && load.nodes > 1 { // there a node knows nothing of others' uses
				continue
			}
			got = simulate(t, load, f, true)
			before, writtenBefore := bucketAtSecondUse(load.all(), load.nodes*onDisk, n)
			after, written := bucketAtSecondUse(load.all(), load.nodes*onDisk, 2*n)
			want.made, want.written = (after-before)/n, (written-writtenBefore)/n
			want.bucket = max(1-want.memory-want.disk, want.made) - want.made
			want.lookups = asked(want.bucket, want.made)
			compare(t, load, f+", second use", got, want)
		}
	}
}

// compare holds what a simulation counted to what formulas say.
func compare(t *testing.T, load traffic, f front, got, want figures) {
	t.Helper()
	const tolerance = 0.02 // of all requests
	for what, pair := range map[string][2]float64{
		"in memory": {got.memory, want.memory}, "on disk": {got.disk, want.disk}, "of the owner": {got.peer, want.peer},
		"in the bucket": {got.bucket, want.bucket}, "made": {got.made, want.made}, "lookups": {got.lookups, want.lookups},
		"written": {got.written, want.written}, "loads of workspaces": {got.loads, want.loads}, "reads of workspaces": {got.reads, want.reads},
	} {
		if math.Abs(pair[0]-pair[1]) > tolerance {
			t.Errorf("%s, %s: %s are %.3f of all, the formula says %.3f", load, f, what, pair[0], pair[1])
		}
	}
	t.Logf("%s, %s: memory %.3f, disk %.3f, owner %.3f, bucket %.3f, made %.3f, written %.3f, lookups %.3f, loads %.3f, reads %.3f",
		load, f, got.memory, got.disk, got.peer, got.bucket, got.made, got.written, got.lookups, got.loads, got.reads)
}

// TestScalePage: the table of docs/scale.md is what the formulas say of real sizes.
func TestScalePage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "scale.md"))
	if err != nil {
		t.Fatal(err)
	}
	const (
		memoryRoom = 256 << 20 / (body + 512)
		diskRoom   = 50_000_000_000 / body
		days       = 30 // that the bucket keeps a variant
	)
	for _, fleet := range []struct {
		nodes, workspaces int
		daily             float64
	}{{1, 10, 1e5}, {4, 1000, 1e7}, {10, 10_000, 1e8}, {50, 100_000, 3e8}, {200, 1_000_000, 1e9}} {
		load := traffic{nodes: fleet.nodes, workspaces: fleet.workspaces}
		all := load.all()
		made := distinct(all, days*fleet.daily) / (days * fleet.daily)
		for _, f := range []front{alone, filled, hashed} {
			if load.nodes == 1 && f != alone {
				continue
			}
			g := expected(load, f, sizes{memoryRoom, diskRoom, 16_384, 16_384, 7 * fleet.daily / float64(fleet.nodes)}, made)
			loads := "-"
			if f != hashed {
				loads = round(2e6 * g.loads)
			}
			line := fmt.Sprintf("| %d | %s | %s | %s | %s | %s | %s | %s | %s | %s |", load.nodes, short(load.workspaces), f,
				percent(g.memory), percent(g.disk), percent(g.peer), round(1e6*g.lookups), round(1e6*g.bucket), round(1e6*g.made), loads)
			t.Log(line)
			if !strings.Contains(string(page), line) {
				t.Errorf("docs/scale.md has not the line\n%s", line)
			}
			if f == hashed || load.nodes == 1 {
				secondUse(t, string(page), load, g, days*fleet.daily, diskRoom)
			}
			if f == filled {
				others(t, string(page), load, g)
			}
		}
	}
}

// secondUse compares what a bucket has to do by default, with a filter and writes at the second use, with
// the page's line.
func secondUse(t *testing.T, page string, load traffic, g figures, requests float64, room int) {
	made, written := bucketAtSecondUse(load.all(), room*load.nodes, requests)
	made, written = made/requests, written/requests
	found := max(1-g.memory-g.disk, made) - made
	lookups := asked(found, made)
	line := fmt.Sprintf("| %d | %s | %s | %s | %s | %s | $%.4f |", load.nodes, short(load.workspaces),
		round(1e6*made), round(1e6*written), round(1e6*found), round(1e6*lookups), 0.4*lookups+5*written)
	t.Log(line)
	if !strings.Contains(page, line) {
		t.Errorf("docs/scale.md has not the line\n%s", line)
	}
}

// others compares what a million images cost with the page's line about other products: list prices in
// dollars, as the page names them, for bodies of 20 kB.
func others(t *testing.T, page string, load traffic, g figures) {
	const (
		million   = 1e6
		gigabytes = million * body / 1e9
		putPrice  = 5e-6 // of S3, and of a GET
		getPrice  = 0.4e-6

		hitSeconds, madeSeconds = 165e-6, 20e-3 // of a core
	)
	made := million * g.made
	bucket := million*g.lookups*getPrice + made*putPrice
	cores := (million*(g.memory+g.disk+2*g.peer+g.bucket)*hitSeconds + made*madeSeconds) / 3600
	cloudflare := made * 0.50 / 1000
	imgix := 0.25 * (gigabytes + made/500 + 2*made*body/1e9)
	lambda := gigabytes*0.085 + million*0.01/10_000 + made*(0.2e-6+0.5*16.67e-6+putPrice+getPrice)
	line := fmt.Sprintf("| %d | %s | %s | $%.4f | %.2f | $%.2f | $%.2f | $%.2f |", load.nodes, short(load.workspaces), round(made), bucket, cores, cloudflare, imgix, lambda)
	t.Log(line)
	if !strings.Contains(page, line) {
		t.Errorf("docs/scale.md has not the line\n%s", line)
	}
}

func percent(x float64) string {
	if x == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*x)
}

// round returns a figure that doesn't change with each small change.
func round(x float64) string {
	if x < 1 {
		return "0"
	}
	d := math.Pow(10, math.Floor(math.Log10(x))-1)
	return fmt.Sprintf("%.0f", math.Round(x/d)*d)
}

func short(n int) string {
	return "10" + string([]rune("⁰¹²³⁴⁵⁶⁷⁸⁹")[int(math.Round(math.Log10(float64(n))))])
}
