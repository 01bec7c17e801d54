package cache_test

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/tintype/tintype/cache"
)

const benchmarkBody = 20 << 10

func benchmarkEntry() *cache.Entry {
	now := time.Now()
	return &cache.Entry{
		Body: make([]byte, benchmarkBody), ContentType: "image/webp", ETag: `"0123456789abcdef"`,
		Width: 400, Height: 300, Frames: 1, OriginETag: `"fedcba9876543210"`,
		StoredAt: now, RevalidateAt: now.Add(time.Hour), ExpiresAt: now.Add(24 * time.Hour),
	}
}

func benchmarkKey(i int) (key cache.Key) {
	// The low byte first: the caches spread keys by their first and last bytes.
	binary.LittleEndian.PutUint64(key[:], uint64(i))
	return key
}

func BenchmarkMemoryGet(b *testing.B) {
	const entries = 1000
	m := cache.NewMemory(1 << 30)
	for i := range entries {
		m.Put(b.Context(), benchmarkKey(i), benchmarkEntry())
	}
	ctx := context.Background()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if e, _ := m.Get(ctx, benchmarkKey(i%entries)); e == nil {
				b.Error("miss")
				return
			}
		}
	})
}

func BenchmarkTieredGet(b *testing.B) {
	t := cache.NewTiered(cache.NewMemory(1<<30), cache.NewMemory(1<<30))
	t.Put(b.Context(), benchmarkKey(1), benchmarkEntry())
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if e, _ := t.Get(ctx, benchmarkKey(1)); e == nil {
			b.Fatal("miss")
		}
	}
}

func openBenchmarkDisk(b *testing.B, entries int) *cache.Disk {
	d, err := cache.OpenDisk(cache.DiskConfig{Dir: b.TempDir(), MaxBytes: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.Close(context.Background()) })
	for i := range entries {
		d.Put(b.Context(), benchmarkKey(i), benchmarkEntry())
	}
	if err := d.Drain(b.Context()); err != nil {
		b.Fatal(err)
	}
	return d
}

func BenchmarkDiskGet(b *testing.B) {
	const entries = 1000
	d := openBenchmarkDisk(b, entries)
	ctx := context.Background()
	b.SetBytes(benchmarkBody)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		if e, _ := d.Get(ctx, benchmarkKey(i%entries)); e == nil {
			b.Fatal("miss")
		}
	}
}

func BenchmarkDiskMiss(b *testing.B) {
	d := openBenchmarkDisk(b, 0)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if e, _ := d.Get(ctx, benchmarkKey(1)); e != nil {
			b.Fatal("hit")
		}
	}
}

// BenchmarkDiskWrite measures one entry from Put to its file.
func BenchmarkDiskWrite(b *testing.B) {
	d := openBenchmarkDisk(b, 0)
	ctx := context.Background()
	e := benchmarkEntry()
	b.SetBytes(benchmarkBody)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		d.Put(ctx, benchmarkKey(i%1000), e)
		if err := d.Drain(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoaderHit(b *testing.B) {
	l := &cache.Loader{Cache: cache.NewTiered(cache.NewMemory(1 << 30))}
	l.Cache.Put(b.Context(), benchmarkKey(1), benchmarkEntry())
	fill := func(context.Context, *cache.Entry) (*cache.Entry, error) {
		b.Error("miss")
		return benchmarkEntry(), nil
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		for pb.Next() {
			if _, _, err := l.Load(ctx, benchmarkKey(1), fill); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkLoaderMiss measures a miss without its fill.
func BenchmarkLoaderMiss(b *testing.B) {
	l := &cache.Loader{Cache: cache.NewTiered(cache.NewMemory(0))}
	e := benchmarkEntry()
	ctx := context.Background()
	fill := func(context.Context, *cache.Entry) (*cache.Entry, error) { return e, nil }
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := l.Load(ctx, benchmarkKey(1), fill); err != nil {
			b.Fatal(err)
		}
	}
}
