package bucket_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/versitygw"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/origin/bucket"
)

func object(body string) *origin.Object { return &origin.Object{Body: []byte(body)} }

func TestStorage(t *testing.T) {
	gateway := versitygw.Start(t, accessKey, secretKey)
	gateway.CreateBucket(t, "media")
	gateway.Put(t, "media", "outside.jpg", []byte("outside"))
	s := newSource(t, bucket.Config{Bucket: "media", Region: gateway.Region, Endpoint: gateway.Endpoint, Prefix: "shop/"})
	ctx := t.Context()

	t.Run("put", func(t *testing.T) {
		for i, tt := range []struct {
			path             string
			overwrite, isNew bool
			err              error
		}{
			{"a b+ü.jpg", false, true, nil},
			{"a b+ü.jpg", false, false, origin.ErrExists},
			{"a b+ü.jpg", true, false, nil},
			{"new.jpg", true, true, nil},
			{"../outside.jpg", true, false, origin.ErrInvalidPath},
			{".tintype-staging/AAAAAAAAAAAAAAAAAAAAAAAAAA", true, false, origin.ErrInvalidPath},
			{strings.Repeat("x", 1022), true, false, origin.ErrInvalidPath},
		} {
			isNew, err := s.Put(ctx, tt.path, object("body"), "image/png", tt.overwrite)
			if isNew != tt.isNew || !errors.Is(err, tt.err) {
				t.Errorf("%d %s: %v, %v", i, tt.path, isNew, err)
			}
		}
		st, err := s.Stat(ctx, "a b+ü.jpg")
		if err != nil || st.Bytes != 4 || st.ContentType != "image/png" || st.ETag == "" || st.LastModified == "" {
			t.Errorf("%+v, %v", st, err)
		}
		if got := gateway.List(t, "media", ""); !slices.Equal(got, []string{"outside.jpg", "shop/a b+ü.jpg", "shop/new.jpg"}) {
			t.Errorf("%q", got)
		}
	})
	t.Run("together", func(t *testing.T) {
		var won, lost atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				switch _, err := s.Put(ctx, "race.jpg", object("x"), "image/jpeg", false); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, origin.ErrExists):
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 || lost.Load() != 7 {
			t.Errorf("%d won, %d lost", won.Load(), lost.Load())
		}
	})
	t.Run("browse", func(t *testing.T) {
		gateway.Put(t, "media", "shop/f/1.jpg", []byte("1"))
		gateway.Put(t, "media", "shop/f/2.jpg", []byte("2"))
		gateway.Put(t, "media", "shop/.tintype-staging/BBBBBBBBBBBBBBBBBBBBBBBBBB", []byte("staged"))
		list := func(q origin.ListQuery) string {
			var all []string
			for {
				page, err := s.Browse(ctx, q)
				if err != nil {
					t.Fatal(err)
				}
				for _, i := range page.Images {
					all = append(all, i.Path)
				}
				all = append(all, page.Folders...)
				if q.Cursor = page.Next; q.Cursor == "" {
					slices.Sort(all)
					return strings.Join(all, " ")
				}
			}
		}
		for _, limit := range []int{1, 2, 1000} {
			if got := list(origin.ListQuery{Limit: limit}); got != "a b+ü.jpg f/ new.jpg race.jpg" {
				t.Errorf("%d: %q", limit, got)
			}
			if got := list(origin.ListQuery{Prefix: "f/", Flat: true, Limit: limit}); got != "f/1.jpg f/2.jpg" {
				t.Errorf("%d: %q", limit, got)
			}
		}
		if _, err := s.Browse(ctx, origin.ListQuery{Prefix: "../", Limit: 1}); !errors.Is(err, origin.ErrInvalidPath) {
			t.Error(err)
		}
	})
	t.Run("delete", func(t *testing.T) {
		if err := s.Delete(ctx, "new.jpg"); err != nil {
			t.Error(err)
		}
		if err := s.Delete(ctx, "new.jpg"); !errors.Is(err, origin.ErrNotFound) {
			t.Error(err)
		}
		if err := s.Delete(ctx, "../outside.jpg"); !errors.Is(err, origin.ErrInvalidPath) {
			t.Error(err)
		}
	})
	t.Run("staging", func(t *testing.T) {
		const id = "CCCCCCCCCCCCCCCCCCCCCCCCCC"
		url, header, err := s.PresignPut(ctx, id, "image/jpeg", 4, 15*time.Minute)
		if err != nil || strings.Contains(url, secretKey) {
			t.Fatal(url, err)
		}
		send := func(body, contentType, to string) int {
			r, err := http.NewRequestWithContext(ctx, http.MethodPut, to, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", contentType)
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
			return res.StatusCode
		}
		if header.Get("Content-Length") != "4" || header.Get("Content-Type") != "image/jpeg" || len(header) != 2 {
			t.Errorf("%v", header)
		}
		if got := send("too long", "image/jpeg", url); got != 403 {
			t.Errorf("another length: %d", got)
		}
		if got := send("body", "text/html", url); got != 403 {
			t.Errorf("another type: %d", got)
		}
		if got := send("body", "image/jpeg", strings.Replace(url, id, "DDDDDDDDDDDDDDDDDDDDDDDDDD", 1)); got != 403 {
			t.Errorf("another key: %d", got)
		}
		if got := send("body", "image/jpeg", url); got != 200 {
			t.Errorf("as signed: %d", got)
		}
		if _, err := s.Fetch(ctx, origin.Key{Path: ".tintype-staging/" + id}, origin.Validators{}); !errors.Is(err, origin.ErrInvalidPath) {
			t.Errorf("served: %v", err)
		}
		got, err := s.FetchStaged(ctx, id)
		if err != nil || !bytes.Equal(got.Body, []byte("body")) {
			t.Fatalf("%+v, %v", got, err)
		}
		got.Release()
		for _, bad := range []string{"", "../../outside.jpg", "x", strings.Repeat("A", 65), "CCCCCCCCCCCCCCCCCCCCCCCC/C"} {
			if _, err := s.FetchStaged(ctx, bad); !errors.Is(err, origin.ErrNotFound) {
				t.Errorf("%q: %v", bad, err)
			}
			if err := s.DeleteStaged(ctx, bad); !errors.Is(err, origin.ErrNotFound) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		if n, err := s.SweepStaged(ctx, time.Now().Add(-time.Hour), time.Now().Add(-time.Hour)); n != 0 || err != nil {
			t.Errorf("swept %d too early, %v", n, err)
		}
		if err := s.DeleteStaged(ctx, id); err != nil {
			t.Error(err)
		}
		if n, err := s.SweepStaged(ctx, time.Now().Add(time.Hour), time.Now().Add(time.Hour)); n != 1 || err != nil { // of browse
			t.Errorf("swept %d, %v", n, err)
		}
		if left := gateway.List(t, "media", "shop/.tintype-"); len(left) != 0 {
			t.Errorf("left: %q", left)
		}
	})
	t.Run("secrets", func(t *testing.T) {
		wrong := newSource(t, bucket.Config{Bucket: "media", Region: gateway.Region, Endpoint: gateway.Endpoint, AccessKeyID: accessKey, SecretAccessKey: "wrongkey"})
		_, err := wrong.Put(ctx, "x.jpg", object("x"), "image/jpeg", true)
		wantFailure(t, err, origin.ErrUnavailable, "")
		_, err = wrong.Browse(ctx, origin.ListQuery{Limit: 1})
		wantFailure(t, err, origin.ErrUnavailable, "")
		wantFailure(t, wrong.DeleteStaged(ctx, "CCCCCCCCCCCCCCCCCCCCCCCCCC"), origin.ErrUnavailable, "")
	})
}

// TestClientOrigin: clients send to the host that signed URLs name.
func TestClientOrigin(t *testing.T) {
	for _, c := range []struct {
		config bucket.Config
		want   string
	}{
		{bucket.Config{Bucket: "media", Region: "eu-west-1"}, "https://media.s3.eu-west-1.amazonaws.com"},
		{bucket.Config{Bucket: "media", Region: "us-east-1"}, "https://media.s3.us-east-1.amazonaws.com"},
		{bucket.Config{Bucket: "media", Region: "cn-north-1"}, "https://media.s3.cn-north-1.amazonaws.com.cn"},
		{bucket.Config{Bucket: "my.media", Region: "eu-west-1"}, "https://s3.eu-west-1.amazonaws.com"},
		{bucket.Config{Bucket: "media", AccountID: strings.Repeat("0a", 16)}, "https://" + strings.Repeat("0a", 16) + ".r2.cloudflarestorage.com"},
		{bucket.Config{Bucket: "media", Region: "auto", Endpoint: "http://minio.example:9000"}, "http://minio.example:9000"},
		{bucket.Config{Bucket: "media", Region: "auto", Endpoint: "https://store.example/s3/"}, "https://store.example"},
	} {
		s := newSource(t, c.config)
		signed, _, err := s.PresignPut(t.Context(), "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "image/jpeg", 9, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.ClientOrigin(); got != c.want || !strings.HasPrefix(signed, got+"/") {
			t.Errorf("%+v: %s, and %s is signed", c.config, got, signed)
		}
	}
}
