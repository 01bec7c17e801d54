package cache_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/cache"
)

// writerFolder names the folder that this process, re-executed by TestDiskKilled,
// writes entries to until it is killed.
const writerFolder = "TINTYPE_TEST_CACHE_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerFolder); dir != "" {
		writeForEver(dir)
	}
	os.Exit(m.Run())
}

const writerKeys = 32

// describe returns the entry of a seed. The entry holds the seed.
func describe(key cache.Key, seed uint64) *cache.Entry {
	random := rand.New(rand.NewPCG(seed, uint64(key[0])))
	body := make([]byte, 8+random.IntN(60<<10))
	for i := 0; i+8 <= len(body); i += 8 {
		binary.LittleEndian.PutUint64(body[i:], random.Uint64())
	}
	binary.LittleEndian.PutUint64(body, seed)
	return &cache.Entry{
		Body: body, ContentType: fmt.Sprint("image/", seed), ETag: fmt.Sprintf(`"%x"`, seed),
		Width: int(seed >> 40), Height: len(body), Frames: 1,
		StoredAt: time.Unix(int64(seed>>32), int64(seed%1e9)), ExpiresAt: time.Unix(5e9, 0),
	}
}

// writeForEver puts random entries under a few keys, in a folder that is too small for all.
// It prints how many have been written.
func writeForEver(dir string) {
	d, err := cache.OpenDisk(cache.DiskConfig{Dir: dir, MaxBytes: 2 << 20})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	said := uint64(0)
	for {
		key := numbered(rand.IntN(writerKeys))
		if rand.IntN(10) == 0 {
			d.Delete(context.Background(), key)
		}
		d.Put(context.Background(), key, describe(key, rand.Uint64()))
		if rand.IntN(4) == 0 {
			d.Drain(context.Background())
		}
		for n := d.Stats().Puts; said < n; said++ {
			fmt.Println("wrote")
		}
	}
}

func TestDiskKilled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	kills := 50
	if testing.Short() {
		kills = 5
	}
	found := 0
	for range kills {
		child := exec.CommandContext(t.Context(), self)
		child.Env = append(os.Environ(), writerFolder+"="+dir)
		var stderr bytes.Buffer
		child.Stderr = &stderr
		stdout, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		// A different moment each time, by the writer's progress.
		lines := bufio.NewScanner(stdout)
		for range 1 + rand.IntN(12) {
			if !lines.Scan() {
				child.Wait()
				t.Fatalf("the writer ended by itself: %s", stderr.String())
			}
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		child.Wait()
		found += checkAfterKill(t, dir)
	}
	if found < kills {
		t.Errorf("%d entries found after %d kills: the writer hardly writes", found, kills)
	}
}

// checkAfterKill opens the folder and returns how many entries it has.
func checkAfterKill(t *testing.T, dir string) (found int) {
	t.Helper()
	d, err := cache.OpenDisk(cache.DiskConfig{Dir: dir, MaxBytes: 2 << 20})
	if err != nil {
		t.Fatal(err) // the kernel has released the lock
	}
	if temps, err := filepath.Glob(filepath.Join(dir, ".tmp", "*")); err != nil || len(temps) > 0 {
		t.Errorf("leftovers %q, %v", temps, err)
	}
	for i := range writerKeys {
		e, _ := d.Get(t.Context(), numbered(i))
		if e == nil {
			continue
		}
		found++
		want := describe(numbered(i), binary.LittleEndian.Uint64(e.Body))
		if !bytes.Equal(e.Body, want.Body) {
			t.Fatalf("key %d: a body of %d bytes that nobody has put", i, len(e.Body))
		}
		g, w := *e, *want
		g.Body, w.Body = nil, nil
		if diff := cmp.Diff(w, g); diff != "" {
			t.Fatalf("key %d (-want +got):\n%s", i, diff)
		}
	}
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := d.Stats().Failures; n != 0 {
		t.Errorf("%d failures", n)
	}
	return found
}
