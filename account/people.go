package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tintype/tintype/mail"
	"github.com/tintype/tintype/workspace"
)

// Errors of people.
var (
	ErrTooMany    = errors.New("too many codes were asked for; try again in an hour")
	ErrCode       = errors.New("the code is wrong, or it has ended: ask for another in this browser")
	ErrNoSession  = errors.New("nobody has this session")
	ErrLastOwner  = errors.New("a workspace needs an owner: make somebody else an owner first")
	ErrNoMember   = errors.New("there is no such member")
	ErrNoAccount  = errors.New("there is no such account")
	ErrRole       = errors.New("a member has one of the roles viewer, editor and owner")
	ErrInvitation = errors.New("there is no such invitation for your address, or it has ended")
	ErrInvited    = fmt.Errorf("at most %d invitations a day", maxInvitations)
	ErrIsMember   = errors.New("this address is a member already")
	ErrWorkspaces = errors.New("this account owns as many workspaces as the plan allows")
	ErrMakings    = fmt.Errorf("an account makes at most %d workspaces a day", maxMakings)
	ErrMembers    = errors.New("the workspace has as many members as its plan allows: ask one of its owners")
)

// A Signup says who gets an account at the first sign-in.
type Signup string

// The signups.
const (
	SignupOpen   Signup = "open"   // everybody
	SignupInvite Signup = "invite" // who has an invitation
	SignupOff    Signup = "off"    // nobody; the operator makes accounts
)

// Times and numbers of codes and sessions.
const (
	codeLives      = 10 * time.Minute
	codeTries      = 5
	codesAddress   = 5  // an hour
	codesClient    = 20 // an hour
	passkeysClient = 60 // challenges an hour
	failuresADay   = 10 // wrong codes for an address, or by a known browser
	sessionIdle    = 7 * 24 * time.Hour
	sessionLives   = 30 * 24 * time.Hour
	seenEvery      = time.Hour // a session's last use is written down at most so often
	deviceLives    = 400 * 24 * time.Hour
	inviteLives    = 7 * 24 * time.Hour
	maxInvitations = 20          // a day, of a workspace
	maxMakings     = 10          // a day, of an account
	makingLasts    = time.Minute // of a workspace, at most
	writeTries     = 10
	mailsAtOnce    = 16   // each takes a connection to the mail server, which may hang
	maxMails       = 1000 // under way and waiting
)

// An Account is a person.
type Account struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"` // canonical: see ParseEmail
	CreatedAt time.Time `json:"created_at"`
}

// A Member is a person in a workspace.
type Member struct {
	AccountID   string    `json:"account_id"`
	Email       string    `json:"email"`
	Namespace   string    `json:"namespace"`
	WorkspaceID string    `json:"workspace_id"`
	Role        Role      `json:"role"`
	Since       time.Time `json:"since"`
}

// An Invitation lets one address join a workspace.
type Invitation struct {
	ID          string    `json:"id"`
	Email       string    `json:"email"`
	Namespace   string    `json:"namespace"`
	WorkspaceID string    `json:"workspace_id"`
	Role        Role      `json:"role"`
	InvitedBy   string    `json:"invited_by"` // actor
	ExpiresAt   time.Time `json:"expires_at"`
}

// A Session is a browser in which somebody is signed in. It doesn't hold the token.
type Session struct {
	ID        string    `json:"id"`
	AccountID string    `json:"account_id"`
	CreatedAt time.Time `json:"created_at"`
	SeenAt    time.Time `json:"seen_at"`
	Device    string    `json:"device"` // User-Agent
	Place     string    `json:"place"`  // the client's network
}

// A Client is the browser that a request comes from.
type Client struct {
	IP, UserAgent string
	Browser       string // token of the cookie of the browser that asks for codes; empty is none
	Device        string // token of the cookie of a browser that signed in before; empty is none
}

// A Visitor is who has a session.
type Visitor struct {
	Account
	Session  Session
	Operator bool
	Members  []Member // sorted by namespace
}

// Config has the parts and settings of [People]. Fields without a comment on their zero
// value are required.
type Config struct {
	Records   Records
	Mail      mail.Sender
	PublicURL string   // of links in mails, without a slash at its end; empty leaves links out
	Operators []string // canonical addresses
	Signup    Signup
	Now       func() time.Time // nil is time.Now
	Log       *slog.Logger
}

// People signs people in and keeps what they are members of. It is safe for concurrent use.
type People struct {
	Config

	sending sync.WaitGroup // of mails with codes
	mails   atomic.Int64   // that are under way, or wait for a place
	places  chan struct{}  // has one element for each mail that is under way
}

// NewPeople returns People.
func NewPeople(c Config) *People {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &People{Config: c, places: make(chan struct{}, mailsAtOnce)}
}

// Run waits until ctx has ended, and then until the mails that are under way have been sent.
func (p *People) Run(ctx context.Context) {
	<-ctx.Done()
	p.sending.Wait()
}

// The groups of records. ID is an account's, WS the ID of a workspace.
//
//	account            ID, or the address        an account; the address leads to the ID
//	code               hash of the browser       a code that was asked for
//	asked              address, or network       when codes were asked for
//	failed             address, or hash of device wrong codes of a day
//	device             hash                      a browser in which somebody signed in
//	session            hash of the token         a session
//	sessions#ID        hash of the token         the same, for lists
//	memberships#ID     WS                        a membership
//	members#WS         ID                        the same, for lists
//	owners             WS                        the IDs of its owners
//	invitations#WS     ID of the invitation      an invitation
//	invited#address    ID of the invitation      the same, for whom it is
//	passkeys#ID        ID of the passkey         a passkey
//	ceremony           hash of the browser       a challenge for an authenticator
//	inviting           WS                        when people were invited
//	making             ID                        the workspaces that somebody makes for themselves
//	firststeps         WS                        how far a new workspace is
const (
	accounts, codes, asked, failed, devices, sessions, owners, inviting, ceremonies, firstSteps, makings = "account", "code", "asked", "failed", "device", "session", "owners", "inviting", "ceremony", "firststeps", "making"
)

// MembershipsOf returns the workspaces of the person with a canonical address.
func (p *People) MembershipsOf(ctx context.Context, email string) ([]Member, error) {
	var id string
	stored, err := p.read(ctx, accounts, email, &id)
	if err != nil || stored.Version == 0 {
		return nil, err
	}
	return list[Member](ctx, p, "memberships#"+id)
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func token() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// read decodes a record. The zero record, of version 0, says that there is none.
func (p *People) read(ctx context.Context, group, name string, into any) (Record, error) {
	r, err := p.Records.Record(ctx, group, name)
	if errors.Is(err, workspace.ErrNotFound) {
		return Record{}, nil
	}
	if err != nil {
		return Record{}, err
	}
	return r, json.Unmarshal(r.Data, into)
}

func list[T any](ctx context.Context, p *People, group string) ([]T, error) {
	var all []T
	for after := ""; ; {
		page, err := p.Records.Records(ctx, group, after, 100)
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			var one T
			if err := json.Unmarshal(r.Data, &one); err != nil {
				return nil, err
			}
			all = append(all, one)
			after = r.Name
		}
		if len(page) < 100 {
			return all, nil
		}
	}
}

func put(group, name string, version int64, expires time.Time, data any) Write {
	b, err := json.Marshal(data)
	if err != nil {
		panic(err) // types of this package
	}
	return Write{Record: Record{Group: group, Name: name, Version: version, Expires: expires, Data: b}}
}

func remove(group, name string, version int64) Write {
	return Write{Record: Record{Group: group, Name: name, Version: version}, Delete: true}
}

// again calls do until no other write comes between.
func again(do func() error) error {
	for try := 1; ; try++ {
		if err := do(); !errors.Is(err, workspace.ErrConflict) || try == writeTries {
			return err
		}
	}
}

// count adds one to the times of a record, and returns false if there are as many as most
// within the span already.
func (p *People) count(ctx context.Context, group, name string, span time.Duration, most int) (ok bool, err error) {
	err = again(func() error {
		var times []time.Time
		stored, err := p.read(ctx, group, name, &times)
		if err != nil {
			return err
		}
		now := p.Now()
		times = slices.DeleteFunc(times, func(t time.Time) bool { return now.Sub(t) >= span })
		if ok = len(times) < most; !ok {
			return nil
		}
		return p.Records.WriteRecords(ctx, []Write{put(group, name, stored.Version, now.Add(span), append(times, now))})
	})
	return ok, err
}

// counted returns how many times count has within the span.
func (p *People) counted(ctx context.Context, group, name string, span time.Duration) (n int, err error) {
	var times []time.Time
	if _, err := p.read(ctx, group, name, &times); err != nil {
		return 0, err
	}
	for _, t := range times {
		if p.Now().Sub(t) < span {
			n++
		}
	}
	return n, nil
}
