package delivery

import (
	"context"
	"sync"
	"time"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/origin"
)

const (
	pregenerateAtOnce  = 2
	pregenerateWaiting = 1000
	pregenerateFor     = time.Minute

	// pregenerateAccept is the Accept of Chrome, Edge and Firefox, as far as formats go.
	pregenerateAccept = "image/avif,image/webp,*/*;q=0.8"
)

// A pregenerator makes variants that nobody has asked for yet. The zero value is ready.
type pregenerator struct {
	mu      sync.Mutex // guards the fields below
	waiting []pregeneration
	running int
	closed  bool
	life    context.Context
	stop    context.CancelFunc
	all     sync.WaitGroup
}

type pregeneration struct{ namespace, source, path, preset string }

// Pregenerate makes variants of an original by presets in the background, in the format that
// most browsers get. Where too many wait, or making one fails, the first request makes it.
func (s *Service) Pregenerate(namespace, source, path string, presets []string) {
	p := &s.pregenerator
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	if p.life == nil {
		p.life, p.stop = context.WithCancel(context.Background())
	}
	for _, preset := range presets {
		if len(p.waiting) >= pregenerateWaiting {
			s.log.Warn("too many variants wait to be made in the background; some are not", "workspace", namespace)
			break
		}
		p.waiting = append(p.waiting, pregeneration{namespace, source, path, preset})
	}
	for p.running < min(pregenerateAtOnce, len(p.waiting)) {
		p.running++
		p.all.Go(s.pregenerateAll)
	}
}

// pregenerateAll makes variants until none waits.
func (s *Service) pregenerateAll() {
	p := &s.pregenerator
	for {
		p.mu.Lock()
		if len(p.waiting) == 0 || p.closed {
			p.running--
			p.mu.Unlock()
			return
		}
		next := p.waiting[0]
		p.waiting = p.waiting[1:]
		p.mu.Unlock()
		ctx, cancel := context.WithTimeout(p.life, pregenerateFor)
		if err := s.pregenerate(ctx, next); err != nil && ctx.Err() == nil && fault.Of(err).Status() >= 500 {
			s.log.Warn("a variant could not be made in the background", "workspace", next.namespace, "original", next.source+"/"+next.path, "preset", next.preset, "err", err)
		}
		cancel()
	}
}

func (s *Service) pregenerate(ctx context.Context, p pregeneration) error {
	c, err := s.site(ctx, p.namespace)
	if err != nil {
		return err
	}
	t := Target{Namespace: p.namespace, Rest: "/transform/" + p.source + "/" + origin.EscapePath(p.path), RawQuery: "preset=" + p.preset}
	a, err := c.read(t, false, nil)
	if err != nil {
		return err
	}
	a.accept, a.background = s.accepted(&a, pregenerateAccept), true
	if s.peers != nil {
		a.asked = &asking{target: t, accept: pregenerateAccept}
	}
	if err := a.checkBlocked(); err != nil {
		return err
	}
	_, err = s.loadMarked(ctx, &a, &timings{})
	return err
}

// close ends what runs.
func (p *pregenerator) close() {
	p.mu.Lock()
	p.closed = true
	if p.stop != nil {
		p.stop()
	}
	p.mu.Unlock()
	p.all.Wait()
}
