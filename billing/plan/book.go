package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

// Errors of changes of plans.
var (
	ErrInFile = errors.New("the plan is in the server's file of plans: change it there, and send the server a SIGHUP")
	ErrNoPlan = errors.New("there is no such plan")
	ErrFull   = fmt.Errorf("there are %d plans in the store, the maximum: delete one first", MaxPlans)
)

// group has the records of plans in a store, each under its name.
const group = "plans"

// Config configures a [Book].
type Config struct {
	File    string          // of plans; empty is none
	Records account.Records // has the plans that the API keeps; nil keeps none
	Poll    time.Duration   // how often Run asks the store; 0 is 5 seconds
	Log     *slog.Logger    // nil logs nothing
}

// A Book has the plans of a server: those of its file, and those of the store under other
// names. It is safe for concurrent use. A nil Book has no plans.
type Book struct {
	Config

	mu     sync.Mutex // serialises changes of file, stored and now
	file   File
	stored map[string]Plan
	now    atomic.Pointer[plans]
}

// plans are what a Book has at one time. Nobody changes them.
type plans struct {
	byName map[string]*Plan
	signup *Plan
	units  map[string]float64 // of the file
}

// New returns a Book with the plans of the file. The error says what is wrong with the file.
// The plans of the store are missing until Load or Run is called.
func New(c Config) (*Book, error) {
	if c.Poll <= 0 {
		c.Poll = 5 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	b := &Book{Config: c}
	return b, b.Reload()
}

// Reload reads the file again. After an error, which says what is wrong, the plans stay as
// they were.
func (b *Book) Reload() error {
	var file File
	if b.File != "" {
		var err error
		if file, err = ReadFile(b.File); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.file = file
	b.publish()
	return nil
}

// ReadFile reads a file of plans, YAML or JSON. Errors name the file and the field.
func ReadFile(name string) (f File, err error) {
	r, err := os.Open(name)
	if err != nil {
		return f, err
	}
	defer r.Close()
	if err := workspace.DecodeFile(r, name, &f); err != nil {
		return f, err
	}
	if err := f.validate(); err != nil {
		return f, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// Load reads the plans of the store. After an error, the plans stay as they were.
func (b *Book) Load(ctx context.Context) error {
	if b.Records == nil {
		return nil
	}
	// Under the lock, so that no older answer takes the place of a plan that Put has written.
	b.mu.Lock()
	defer b.mu.Unlock()
	records, err := b.Records.Records(ctx, group, "", MaxPlans)
	if err != nil {
		return fmt.Errorf("reading the plans of the store: %w", err)
	}
	stored := map[string]Plan{}
	for _, r := range records {
		p, err := decode(r)
		if err != nil {
			return err
		}
		stored[p.Name] = p
	}
	b.stored = stored
	b.publish()
	return nil
}

func decode(r account.Record) (p Plan, err error) {
	if err := json.Unmarshal(r.Data, &p); err != nil {
		return p, fmt.Errorf("reading the plan %q of the store: %w", r.Name, err)
	}
	p.Name, p.InFile, p.Signup = r.Name, false, false
	return p, nil
}

// publish makes plans of file and stored. A plan that has not changed stays the same pointer,
// by which its users know that nothing is to be done. The caller holds mu.
func (b *Book) publish() {
	is := &plans{byName: map[string]*Plan{}, units: b.file.Units}
	was := b.now.Load()
	for _, source := range []map[string]Plan{b.stored, b.file.Plans} { // those of the file win
		for name, p := range source {
			is.byName[name] = &p
		}
	}
	for name, p := range is.byName {
		if was != nil && was.byName[name] != nil && reflect.DeepEqual(*was.byName[name], *p) {
			is.byName[name] = was.byName[name]
		}
	}
	is.signup = is.byName[b.file.SignupPlan]
	b.now.Store(is)
}

// Run follows the plans of the store until ctx ends. It logs failures and tries again. Call it
// once.
func (b *Book) Run(ctx context.Context) {
	if b.Records == nil {
		return
	}
	tick := time.NewTicker(b.Poll)
	defer tick.Stop()
	failing := false
	for {
		within, cancel := context.WithTimeout(ctx, b.Poll)
		err := b.Load(within)
		cancel()
		if err != nil && ctx.Err() == nil && !failing {
			b.Log.Warn("the plans are as they were, since the store can't be read", "err", err)
		}
		failing = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Plan returns the plan of this name, or nil. It reads from memory. Nobody may change it.
func (b *Book) Plan(name string) *Plan {
	if b == nil || name == "" {
		return nil
	}
	return b.now.Load().byName[name]
}

// Signup returns the plan of workspaces that people make for themselves, or nil.
func (b *Book) Signup() *Plan {
	if b == nil {
		return nil
	}
	return b.now.Load().signup
}

// Names returns the names of all plans, sorted.
func (b *Book) Names() []string {
	if b == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(b.now.Load().byName))
}

// All returns all plans, sorted by name. Nobody may change them.
func (b *Book) All() (list []*Plan) {
	for _, name := range b.Names() {
		if p := b.Plan(name); p != nil {
			list = append(list, p)
		}
	}
	return list
}

// Fresh is Plan, but asks the store for a plan that isn't in the file. Call it where a
// workspace gets a plan that another server may have made or deleted a moment ago.
func (b *Book) Fresh(ctx context.Context, name string) (*Plan, error) {
	if p := b.Plan(name); b == nil || name == "" || b.Records == nil || p != nil && p.InFile {
		return p, nil
	}
	r, err := b.Records.Record(ctx, group, name)
	if errors.Is(err, workspace.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the plan %q of the store: %w", name, err)
	}
	p, err := decode(r)
	return &p, err
}

// tries is how often Put and Delete start over after writes of others.
const tries = 10

// Put makes or replaces a plan of the store, and returns the one that it replaced. The error is
// a *[workspace.ValidationError], ErrInFile, ErrFull, or one of the store. entry returns the
// line of the audit log.
func (b *Book) Put(ctx context.Context, p Plan, entry func(before *Plan) workspace.AuditEntry) (before *Plan, err error) {
	p.InFile, p.Signup = false, false
	if err := p.Validate(); err != nil {
		return nil, err
	}
	data, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return b.write(ctx, p.Name, entry, func(version int64, before *Plan) (account.Write, error) {
		if before == nil {
			all, err := b.Records.Records(ctx, group, "", MaxPlans)
			if err != nil {
				return account.Write{}, err
			}
			if len(all) == MaxPlans {
				return account.Write{}, ErrFull
			}
		}
		return account.Write{Record: account.Record{Group: group, Name: p.Name, Version: version, Data: data}}, nil
	})
}

// Delete deletes a plan of the store, and returns it. The error is ErrInFile, ErrNoPlan, or one
// of the store.
func (b *Book) Delete(ctx context.Context, name string, entry func(before *Plan) workspace.AuditEntry) (before *Plan, err error) {
	return b.write(ctx, name, entry, func(version int64, before *Plan) (account.Write, error) {
		if before == nil {
			return account.Write{}, ErrNoPlan
		}
		return account.Write{Record: account.Record{Group: group, Name: name, Version: version}, Delete: true}, nil
	})
}

// write makes one write of the record of a plan, with its line of the audit log, and has the
// new state in memory before it returns.
func (b *Book) write(ctx context.Context, name string, entry func(before *Plan) workspace.AuditEntry, change func(version int64, before *Plan) (account.Write, error)) (before *Plan, err error) {
	if b == nil || b.Records == nil {
		return nil, fmt.Errorf("%w: no store is set up for plans", workspace.ErrUnavailable)
	}
	if p := b.Plan(name); p != nil && p.InFile {
		return nil, ErrInFile
	}
	for try := 1; ; try++ {
		before = nil
		r, err := b.Records.Record(ctx, group, name)
		switch {
		case errors.Is(err, workspace.ErrNotFound):
			r = account.Record{}
		case err != nil:
			return nil, err
		default:
			p, err := decode(r)
			if err != nil {
				return nil, err
			}
			before = &p
		}
		w, err := change(r.Version, before)
		if err != nil {
			return nil, err
		}
		e := entry(before)
		e.WorkspaceID, e.Target = workspace.OperatorLog, name
		if err = b.Records.WriteRecords(ctx, []account.Write{w}, e); err == nil {
			if err := b.Load(ctx); err != nil {
				b.Log.Warn("a plan was changed, and this server follows in some seconds", "plan", name, "err", err)
			}
			return before, nil
		}
		if !errors.Is(err, workspace.ErrConflict) || try == tries {
			return nil, err
		}
	}
}
