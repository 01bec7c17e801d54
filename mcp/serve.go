package mcp

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Serve answers the calls that it reads from in, one JSON message a line, until in ends and
// all calls are answered. It writes nothing but answers to out.
func Serve(ctx context.Context, c Config, in io.ReadCloser, out io.Writer) error {
	s, err := New(c)
	if err != nil {
		return err
	}
	t := &lines{transport: &sdk.IOTransport{Reader: in, Writer: unclosed{out}}}
	err = s.Run(ctx, t)
	if ctx.Err() == nil && t.conn != nil && t.conn.hasEnded() {
		return nil
	}
	return err
}

// unclosed is a writer that somebody else closes.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

// lines is a transport whose end waits for the answers to all calls. The SDK's own drops the
// calls that run while its input ends, so that a script's last calls would have no answer.
type lines struct {
	transport sdk.Transport
	conn      *lineConn
}

func (l *lines) Connect(ctx context.Context) (sdk.Connection, error) {
	conn, err := l.transport.Connect(ctx)
	if err != nil {
		return nil, err
	}
	l.conn = &lineConn{Connection: conn, calls: map[any]bool{}, closed: make(chan struct{})}
	return l.conn, nil
}

// A lineConn counts the calls that aren't answered.
type lineConn struct {
	sdk.Connection
	once   sync.Once
	closed chan struct{}

	mu    sync.Mutex    // guards what follows
	calls map[any]bool  // by their ids
	ended bool          // the input is read
	idle  chan struct{} // closed once all are answered; nil while nobody waits
}

func (c *lineConn) Read(ctx context.Context) (jsonrpc.Message, error) {
	m, err := c.Connection.Read(ctx)
	if r, ok := m.(*jsonrpc.Request); ok && err == nil && r.IsCall() {
		c.mu.Lock()
		c.calls[r.ID.Raw()] = true
		c.mu.Unlock()
	}
	if errors.Is(err, io.EOF) {
		select {
		case <-c.answered():
		case <-c.closed:
		case <-ctx.Done():
		}
	}
	return m, err
}

// answered notes that the input has ended, and returns a channel that is closed once all
// calls are answered.
func (c *lineConn) answered() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended, c.idle = true, make(chan struct{})
	if len(c.calls) == 0 {
		close(c.idle)
	}
	return c.idle
}

func (c *lineConn) hasEnded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

func (c *lineConn) Write(ctx context.Context, m jsonrpc.Message) error {
	err := c.Connection.Write(ctx, m)
	if r, ok := m.(*jsonrpc.Response); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		if id := r.ID.Raw(); c.calls[id] {
			delete(c.calls, id)
			if c.idle != nil && len(c.calls) == 0 {
				close(c.idle)
			}
		}
	}
	return err
}

func (c *lineConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Connection.Close()
}
