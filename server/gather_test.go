package server

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery"
)

// lengths is a connection that notes the length of each write, and fails once fail is set.
type lengths struct {
	net.Conn
	all  []int
	got  bytes.Buffer
	fail error
}

func (c *lengths) Write(b []byte) (int, error) {
	if c.fail != nil {
		return 0, c.fail
	}
	c.all = append(c.all, len(b))
	return c.got.Write(b)
}

// TestGather: between Gather and Send small writes wait for the next one, nothing is lost, and
// none waits afterwards. (Where the connection is of TCP, what comes together is one system call.)
func TestGather(t *testing.T) {
	for name, test := range map[string]struct {
		writes []int
		sent   [][]int // after each write, and after Send
	}{
		"a head and a body":            {[]int{4096, 18000}, [][]int{nil, {4096, 18000}, {4096, 18000}}},
		"small parts":                  {[]int{1200, 2400, 3600}, [][]int{nil, nil, nil, {7200}}},
		"more small parts than fit":    {[]int{4000, 4000, 4000}, [][]int{nil, nil, {8000, 4000}, {8000, 4000}}},
		"no small part first":          {[]int{18000, 100}, [][]int{{18000}, {18000}, {18000, 100}}},
		"a body of several steps":      {[]int{4096, 150000}, [][]int{nil, {4096, 65536, 65536, 18928}, {4096, 65536, 65536, 18928}}},
		"nothing":                      {nil, [][]int{nil}},
		"small after what has gone on": {[]int{4096, 18000, 4096, 18000}, [][]int{nil, {4096, 18000}, {4096, 18000}, {4096, 18000, 4096, 18000}, {4096, 18000, 4096, 18000}}},
	} {
		t.Run(name, func(t *testing.T) {
			to := &lengths{}
			k := &connection{Conn: to}
			var want []byte
			check := func(step int) {
				t.Helper()
				if !slices.Equal(to.all, test.sent[step]) {
					t.Errorf("after step %d: writes of %v, want %v", step, to.all, test.sent[step])
				}
			}
			k.Gather()
			for i, n := range test.writes {
				b := bytes.Repeat([]byte{byte(i + 1)}, n)
				want = append(want, b...)
				if m, err := k.Write(b); m != n || err != nil {
					t.Fatal(m, err)
				}
				clear(b) // the caller uses its buffer again
				check(i)
			}
			k.Send()
			check(len(test.writes))
			if !bytes.Equal(to.got.Bytes(), want) {
				t.Error("other bytes were sent")
			}
			if k.gathering.room != nil || k.Waited(time.Now().Add(time.Hour)) != 0 {
				t.Error("something still waits")
			}
			if _, err := k.Write([]byte("x")); err != nil || to.all[len(to.all)-1] != 1 {
				t.Error("a write after Send waits")
			}
		})
	}
}

// TestGatherFails: an error is that of the write that sends, and what waited is given up.
func TestGatherFails(t *testing.T) {
	to := &lengths{fail: errors.New("gone")}
	k := &connection{Conn: to}
	k.Gather()
	if n, err := k.Write(make([]byte, 4096)); n != 4096 || err != nil {
		t.Error(n, err)
	}
	if n, err := k.Write(make([]byte, 9000)); n != 0 || !errors.Is(err, to.fail) {
		t.Error(n, err)
	}
	if _, err := k.Write(make([]byte, 10)); err != nil {
		t.Error(err)
	}
	k.Send()
	if k.gathering.room != nil || k.gathering.waiting() != 0 {
		t.Error("something still waits")
	}
}

// TestGatheredAnswers: answers of all lengths arrive whole, over connections that are kept, with
// and without TLS.
func TestGatheredAnswers(t *testing.T) {
	b := newBench(t)
	handler := b.observe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Path[1:])
		if err != nil {
			t.Error(err)
		}
		k, ok := w.(*delivery.Response).Conn.(delivery.Gatherer)
		if !ok {
			t.Error("a connection that can't gather")
			return
		}
		k.Gather()
		defer k.Send()
		w.Header().Set("Content-Length", strconv.Itoa(n))
		_, _ = w.Write(bytes.Repeat([]byte{byte(n)}, n))
	}))
	secureAt, client := secure(t, &Connections{Most: 100}, handler)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: handler}
	go func() { _ = s.Serve((&Connections{Most: 100}).Guard(s, plain)) }()
	defer s.Close()

	over := client()
	over.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
	over.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	for _, base := range []string{"http://" + plain.Addr().String(), "https://" + secureAt} {
		for _, n := range []int{0, 1, 1500, 3000, 4095, 4096, 4097, 8192, 8193, 22154, 65535, 65536, 70000, 300000} {
			res, err := over.Get(base + "/" + strconv.Itoa(n))
			if err != nil {
				t.Fatal(base, n, err)
			}
			got, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.Proto != "HTTP/1.1" || !bytes.Equal(got, bytes.Repeat([]byte{byte(n)}, n)) {
				t.Errorf("%s: %d bytes of %d over %s, %v", base, len(got), n, res.Proto, err)
			}
		}
	}
}
