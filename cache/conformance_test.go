package cache_test

import (
	"context"
	"testing"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/cache/cachetest"
)

const roomy = 128 << 20

func openDisk(t testing.TB, c cache.DiskConfig) *cache.Disk {
	t.Helper()
	d, err := cache.OpenDisk(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestMemoryConforms(t *testing.T) {
	cachetest.Run(t,
		func(t *testing.T) cache.Cache { return cache.NewMemory(roomy) },
		func(cache.Cache) {})
}

func TestDiskConforms(t *testing.T) {
	cachetest.Run(t,
		func(t *testing.T) cache.Cache {
			return openDisk(t, cache.DiskConfig{Dir: t.TempDir(), MaxBytes: roomy})
		},
		func(c cache.Cache) {
			if err := c.(*cache.Disk).Drain(context.Background()); err != nil {
				panic(err)
			}
		})
}

// tieredWithDisk lets the flush of a test reach the disk below.
type tieredWithDisk struct {
	*cache.Tiered
	disk *cache.Disk
}

func TestTieredConforms(t *testing.T) {
	for _, test := range []struct {
		name        string
		memoryBytes int64
	}{
		{"memory", roomy},
		{"memory too small", 64 << 10},
		{"no memory", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			cachetest.Run(t,
				func(t *testing.T) cache.Cache {
					memory := cache.NewMemory(test.memoryBytes)
					disk := openDisk(t, cache.DiskConfig{Dir: t.TempDir(), MaxBytes: roomy})
					return tieredWithDisk{cache.NewTiered(memory, disk), disk}
				},
				func(c cache.Cache) {
					if err := c.(tieredWithDisk).disk.Drain(context.Background()); err != nil {
						panic(err)
					}
				})
		})
	}
}
