package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/mail"
	"github.com/tintype/tintype/workspace"
)

// A Check is something of this server that an operator must look at.
type Check struct {
	Name  string // a word for logs and metrics
	Title string // a few words, for subjects
	// Problem returns what is wrong, in sentences without secrets, or "". It is called once a
	// minute and must not block for long.
	Problem func() string
	// Shared says that all servers see the same, so that one mail is enough.
	Shared bool
}

// ServerConfig configures a [Server]. Fields without a comment on their zero value are required.
type ServerConfig struct {
	Name      string // of this server in mails
	Checks    []Check
	Operators []string    // addresses; none are only told by the log
	Mail      mail.Sender // nil sends none
	Store     Store       // by which servers know that another has sent a mail; nil knows of none
	PublicURL string      // for mails; may be empty
	Log       *slog.Logger
	Metrics   prometheus.Registerer // nil registers nothing
	Now       func() time.Time      // nil is time.Now
	Every     time.Duration         // between two looks; 0 is a minute
}

// A Server tells operators of what is wrong with this server: in its log, by a metric, and by
// mail, at most once an hour for each check. It needs no store, since the store may be what is
// wrong.
type Server struct {
	cfg   ServerConfig
	mu    sync.Mutex // held by Look; guards found
	found []finding  // by check
	gauge *prometheus.GaugeVec
}

// finding is what is known of a check.
type finding struct {
	times  int // in which the problem was seen, one after the other
	since  time.Time
	text   string
	firing bool
	told   bool // operators were told that it fires, or need not be told
	mailed time.Time
}

// seenTwice is how often a problem is seen before it is told.
const seenTwice = 2

// NewServer returns a Server. Call Run in a goroutine.
func NewServer(c ServerConfig) *Server {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Server{cfg: c, found: make([]finding, len(c.Checks)), gauge: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "tintype_server_alert", Help: "1 while a check of this server finds a problem, by check.",
	}, []string{"check"})}
	for _, check := range c.Checks {
		s.gauge.WithLabelValues(check.Name).Set(0)
	}
	if c.Metrics != nil {
		c.Metrics.MustRegister(s.gauge)
	}
	return s
}

// Run looks once in each ServerConfig.Every, until the context ends.
func (s *Server) Run(ctx context.Context) {
	tick := time.NewTicker(cmp.Or(s.cfg.Every, tickEvery))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.Look(ctx)
		}
	}
}

// Look makes all checks. Run calls it every minute.
func (s *Server) Look(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, check := range s.cfg.Checks {
		s.look(ctx, check, &s.found[i])
	}
}

func (s *Server) look(ctx context.Context, check Check, f *finding) {
	now, problem := s.cfg.Now().UTC(), check.Problem()
	switch {
	case problem == "" && !f.firing:
		f.times = 0
		return
	case problem == "":
		f.firing, f.times = false, 0
		s.gauge.WithLabelValues(check.Name).Set(0)
		s.cfg.Log.Info("an alert of this server is over", "check", check.Name, "since", f.since)
		if f.told {
			s.tell(ctx, check, f, now, "Tintype server alert is over: "+check.Title, "Over since "+now.Format(timeForm)+".\nIt was: "+f.text)
		}
		f.told = false
		return
	}
	if f.times++; f.times < seenTwice {
		return
	}
	f.text = problem
	if !f.firing {
		f.firing, f.since = true, now
		s.gauge.WithLabelValues(check.Name).Set(1)
		s.cfg.Log.Error("an alert of this server", "check", check.Name, "problem", problem)
	}
	if !f.told && (f.mailed.IsZero() || now.Sub(f.mailed) >= mailEvery || now.Before(f.mailed)) {
		f.told = s.tell(ctx, check, f, now, "Tintype server alert: "+check.Title, "Since "+f.since.Format(timeForm)+": "+problem)
	}
}

// tell sends a mail to all operators. It reports whether they need no further one.
func (s *Server) tell(ctx context.Context, check Check, f *finding, now time.Time, subject, text string) bool {
	if s.cfg.Mail == nil || len(s.cfg.Operators) == 0 {
		return true
	}
	if check.Shared && s.told(ctx, check, f.firing, now) {
		f.mailed = now
		return true
	}
	where := "Server: " + s.cfg.Name
	if s.cfg.PublicURL != "" {
		where += " (" + s.cfg.PublicURL + ")"
	}
	sent := true
	for _, to := range s.cfg.Operators {
		if err := s.cfg.Mail.Send(ctx, mail.Message{To: to, Subject: subject, Text: where + "\n\n" + text + "\n\nA check sends at most one mail an hour. The log of the server has more.\n"}); err != nil {
			sent = false
			s.cfg.Log.Warn("an operator can't be told of an alert of this server", "check", check.Name, "address", account.MaskEmail(to), "err", err)
		}
	}
	if sent {
		f.mailed = now
	}
	return sent
}

// told reports whether another server has sent the same mail within the hour. Where the store
// doesn't answer, several may send one.
func (s *Server) told(ctx context.Context, check Check, firing bool, now time.Time) bool {
	if s.cfg.Store == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	name := fmt.Sprintf("server#%s#%t", check.Name, firing)
	err := s.cfg.Store.WriteRecords(ctx, []account.Write{write(limitGroup, name, 0, now.Add(mailEvery), s.cfg.Name)})
	return errors.Is(err, workspace.ErrConflict)
}

// Failing collects what fails under a name, for a [Check]. It is safe for concurrent use.
type Failing struct {
	mu   sync.Mutex
	list map[string]string
}

// mostFailing bounds what Failing remembers.
const mostFailing = 1000

// Fail notes why something fails.
func (f *Failing) Fail(name, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.list == nil {
		f.list = map[string]string{}
	}
	if _, known := f.list[name]; !known && len(f.list) >= mostFailing {
		return
	}
	f.list[name] = why
}

// Works notes that something doesn't fail any more.
func (f *Failing) Works(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.list, name)
}

// Drop forgets what doesn't fail any more, or concerns nobody, as is says.
func (f *Failing) Drop(is func(name string) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.list, func(name, _ string) bool { return is(name) })
}

// Problem says what fails, with one example, or "".
func (f *Failing) Problem(what string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, why := range f.list {
		text := what + ": " + name + ". " + strings.TrimSuffix(why, ".") + "."
		if n := len(f.list) - 1; n > 0 {
			text += fmt.Sprintf(" So it is with %d more.", n)
		}
		return text
	}
	return ""
}
