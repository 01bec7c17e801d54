package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/versitygw"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/origin/bucket"
)

// TestParts sends an object in parts, and what a client can do wrong with it.
func TestParts(t *testing.T) {
	gateway := versitygw.Start(t, accessKey, secretKey)
	gateway.CreateBucket(t, "media")
	gateway.CreateBucket(t, "theirs")
	config := bucket.Config{Bucket: "media", Region: gateway.Region, Endpoint: gateway.Endpoint, Prefix: "shop/"}
	s := newSource(t, config)
	config.Bucket = "theirs"
	theirs := newSource(t, config)
	config.Bucket, config.Prefix = "media", "other/"
	beside := newSource(t, config)
	ctx := t.Context()
	const minPart = 5 << 20
	first, last := bytes.Repeat([]byte{1}, minPart), []byte("last")
	// put sends a body to a URL. A connection that breaks is status 0.
	put := func(to string, body io.Reader, length int64) int {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodPut, to, body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = length
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return res.StatusCode
	}
	begin := func(id string) string {
		t.Helper()
		upload, err := s.StartParts(ctx, id, "image/jpeg")
		if err != nil {
			t.Fatal(err)
		}
		return upload
	}
	sign := func(id, upload string, number int, length int64) string {
		t.Helper()
		url, header, err := s.PresignPart(ctx, id, upload, number, length, 15*time.Minute)
		if err != nil || len(header) != 1 || strings.Contains(url, secretKey) {
			t.Fatal(url, header, err)
		}
		return url
	}
	const id = origin.PartsID + "AAAAAAAAAAAAAAAAAAAAAAAAAA"
	upload := begin(id)
	one, two := sign(id, upload, 1, minPart), sign(id, upload, 2, int64(len(last)))

	for _, tt := range []struct {
		name string
		to   string
		body []byte
		want int
	}{
		{"a shorter part", one, last, 403},
		{"a longer part", two, first, 403},
		{"another number", strings.Replace(two, "partNumber=2", "partNumber=3", 1), last, 403},
		{"another key", strings.Replace(two, id, "outside.jpg", 1), last, 403},
		{"the second part", two, last, 200},
	} {
		// Who refuses may close the connection before it has read the part.
		if got := put(tt.to, bytes.NewReader(tt.body), int64(len(tt.body))); got != tt.want && (got != 0 || tt.want == 200) {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
	parts, err := s.ListParts(ctx, id, upload)
	if err != nil || len(parts) != 1 || parts[0].Number != 2 || parts[0].Bytes != 4 || parts[0].ETag == "" {
		t.Fatalf("%+v, %v", parts, err)
	}
	// This store lists a part whose connection broke, with the length that it should have had.
	// What is sent again replaces it.
	if got := put(one, io.MultiReader(bytes.NewReader(first[:minPart/2]), broken{}), minPart); got != 0 {
		t.Errorf("a broken connection was answered %d", got)
	}
	if got := put(one, bytes.NewReader(first), minPart); got != 200 {
		t.Fatalf("the first part again: %d", got)
	}
	if _, err := s.FetchStaged(ctx, id); !errors.Is(err, origin.ErrNotFound) {
		t.Errorf("before it was joined: %v", err)
	}
	if parts, err = s.ListParts(ctx, id, upload); err != nil || len(parts) != 2 {
		t.Fatalf("%+v, %v", parts, err)
	}

	// The upload is of this bucket, this prefix and this id only.
	for name, other := range map[string]*bucket.Source{"another bucket": theirs, "another prefix": beside} {
		if _, err := other.ListParts(ctx, id, upload); !errors.Is(err, origin.ErrNotFound) {
			t.Errorf("%s lists it: %v", name, err)
		}
		if err := other.JoinParts(ctx, id, upload, parts); !errors.Is(err, origin.ErrNotFound) {
			t.Errorf("%s joins it: %v", name, err)
		}
		if err := other.DropParts(ctx, id, upload); !errors.Is(err, origin.ErrNotFound) {
			t.Errorf("%s drops it: %v", name, err)
		}
	}
	for _, bad := range []string{"", "../../outside.jpg", origin.PartsID, origin.PartsID + "../x", origin.PartsID + id} {
		if _, err := s.ListParts(ctx, bad, upload); !errors.Is(err, origin.ErrNotFound) {
			t.Errorf("%q: %v", bad, err)
		}
		if _, err := s.StartParts(ctx, bad, "image/jpeg"); !errors.Is(err, origin.ErrNotFound) {
			t.Errorf("%q: %v", bad, err)
		}
	}

	if err := s.JoinParts(ctx, id, upload, parts); err != nil {
		t.Fatal(err)
	}
	if got := put(two, bytes.NewReader(last), 4); got == 200 {
		t.Errorf("a part after they were joined: %d", got)
	}
	if err := s.JoinParts(ctx, id, upload, parts); err != nil && !errors.Is(err, origin.ErrNotFound) {
		t.Errorf("joined twice: %v", err)
	}
	got, err := s.FetchStaged(ctx, id)
	if err != nil || !bytes.Equal(got.Body, append(slices.Clone(first), last...)) {
		t.Fatal(err)
	}
	got.Release()

	// Sweeping drops what began before, and what was joined before.
	const abandoned = origin.PartsID + "BBBBBBBBBBBBBBBBBBBBBBBBBB"
	upload = begin(abandoned)
	if got := put(sign(abandoned, upload, 1, 4), bytes.NewReader(last), 4); got != 200 {
		t.Fatal(got)
	}
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if n, err := beside.SweepParts(ctx, future); n != 0 || err != nil {
		t.Errorf("another prefix swept %d, %v", n, err)
	}
	if n, err := s.SweepParts(ctx, past); n != 0 || err != nil {
		t.Errorf("swept %d too early, %v", n, err)
	}
	if n, err := s.SweepParts(ctx, future); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	if _, err := s.ListParts(ctx, abandoned, upload); !errors.Is(err, origin.ErrNotFound) {
		t.Errorf("swept: %v", err)
	}
	if n, err := s.SweepStaged(ctx, future, past); n != 0 || err != nil {
		t.Errorf("swept %d that were joined, too early, %v", n, err)
	}
	if n, err := s.SweepStaged(ctx, past, future); n != 1 || err != nil {
		t.Errorf("swept %d that were joined, %v", n, err)
	}

	upload = begin(abandoned)
	if err := s.DropParts(ctx, abandoned, upload); err != nil {
		t.Error(err)
	}
	if err := s.DropParts(ctx, abandoned, upload); !errors.Is(err, origin.ErrNotFound) {
		t.Errorf("dropped twice: %v", err)
	}
	config.AccessKeyID, config.SecretAccessKey = accessKey, "wrongkey"
	_, err = newSource(t, config).StartParts(ctx, id, "image/jpeg")
	wantFailure(t, err, origin.ErrUnavailable, "")
	if left := gateway.List(t, "media", ""); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

// TestExpiredPart: the URL of a part ends with its lifetime.
func TestExpiredPart(t *testing.T) {
	gateway := versitygw.Start(t, accessKey, secretKey)
	gateway.CreateBucket(t, "media")
	s := newSource(t, bucket.Config{Bucket: "media", Region: gateway.Region, Endpoint: gateway.Endpoint})
	const id = origin.PartsID + "AAAAAAAAAAAAAAAAAAAAAAAAAA"
	upload, err := s.StartParts(t.Context(), id, "image/jpeg")
	if err != nil {
		t.Fatal(err)
	}
	url, _, err := s.PresignPart(t.Context(), id, upload, 1, 4, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for status := 200; status != 403; {
		r, err := http.NewRequestWithContext(ctx, http.MethodPut, url, strings.NewReader("part"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal("the URL works for ever:", err)
		}
		res.Body.Close()
		status = res.StatusCode
	}
}

// broken is a body whose sender goes away.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the connection is gone") }

// TestDropPartsOfABusyBucket: a bucket that refuses to abort an upload while a part of it is on its
// way is asked again.
func TestDropPartsOfABusyBucket(t *testing.T) {
	for _, test := range []struct {
		name    string
		refuses int64 // times
		want    error
	}{
		{"for a moment", 3, nil},
		{"for good", 1000, origin.ErrUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // it waits
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method != http.MethodDelete:
					w.WriteHeader(404)
				case asked.Add(1) <= test.refuses:
					w.WriteHeader(500)
				default:
					w.WriteHeader(204)
				}
			}))
			defer server.Close()
			s := newSource(t, bucket.Config{Bucket: "media", Endpoint: server.URL})
			if err := s.DropParts(t.Context(), strings.Repeat("A", 26), "upload"); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
}
