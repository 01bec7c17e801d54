package account

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
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
	ErrInvitation = errors.New("there is no such invitation for your address, or it has ended")
	ErrInvited    = fmt.Errorf("at most %d invitations a day", maxInvitations)
	ErrIsMember   = errors.New("this address is a member already")
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
	failuresADay   = 10 // wrong codes for an address, or by a known browser
	sessionIdle    = 7 * 24 * time.Hour
	sessionLives   = 30 * 24 * time.Hour
	seenEvery      = time.Hour // a session's last use is written down at most so often
	deviceLives    = 400 * 24 * time.Hour
	inviteLives    = 7 * 24 * time.Hour
	maxInvitations = 20 // a day, of a workspace
	writeTries     = 10
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
type People struct{ Config }

// NewPeople returns People.
func NewPeople(c Config) *People {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &People{c}
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
//	inviting           WS                        when people were invited
const (
	accounts, codes, asked, failed, devices, sessions, owners, inviting = "account", "code", "asked", "failed", "device", "session", "owners", "inviting"
)

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func token() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// read decodes a record. It returns its version, which is 0 if there is none.
func (p *People) read(ctx context.Context, group, name string, into any) (version int64, err error) {
	r, err := p.Records.Record(ctx, group, name)
	if errors.Is(err, workspace.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return r.Version, json.Unmarshal(r.Data, into)
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
		version, err := p.read(ctx, group, name, &times)
		if err != nil {
			return err
		}
		now := p.Now()
		times = slices.DeleteFunc(times, func(t time.Time) bool { return now.Sub(t) >= span })
		if ok = len(times) < most; !ok {
			return nil
		}
		return p.Records.WriteRecords(ctx, []Write{put(group, name, version, now.Add(span), append(times, now))})
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

// network returns the network of a client's address: of IPv6, the /64 that one client has.
func network(ip string) string {
	if parts := strings.Split(ip, ":"); len(parts) > 4 {
		return strings.Join(parts[:4], ":")
	}
	return ip
}

type code struct {
	Email string `json:"email"`
	Hash  []byte `json:"hash"` // of the code, keyed with the browser's token, which isn't stored
	Tries int    `json:"tries"`
}

func hashOfCode(browser, email, digits string) []byte {
	h := hmac.New(sha256.New, []byte(browser))
	h.Write([]byte(email + "\n" + digits))
	return h.Sum(nil)
}

// AskCode sends a code to an address, and returns the token of the browser that may use it,
// for a cookie. The work, the answer and its errors are the same for addresses that may not
// sign in, which get no mail.
func (p *People) AskCode(ctx context.Context, address string, c Client) (browser string, err error) {
	email, err := ParseEmail(address)
	if err != nil {
		return "", err
	}
	byClient, err := p.count(ctx, asked, network(c.IP), time.Hour, codesClient)
	if err != nil {
		return "", err
	}
	if !byClient {
		return "", ErrTooMany
	}
	// A browser that signed in before has an allowance of its own here too.
	byAddress, err := p.count(ctx, asked, p.allowance(ctx, email, c), time.Hour, codesAddress)
	if err != nil {
		return "", err
	}
	if !byAddress {
		return "", ErrTooMany
	}
	may, err := p.maySignIn(ctx, email)
	if err != nil {
		return "", err
	}
	locked, err := p.locked(ctx, email, c)
	if err != nil {
		return "", err
	}
	browser = token()
	digits := digitsOf(8)
	err = p.Records.WriteRecords(ctx, []Write{put(codes, hashOf(browser), 0, p.Now().Add(codeLives), code{Email: email, Hash: hashOfCode(browser, email, digits)})})
	if err != nil {
		return "", err
	}
	if !may || locked {
		p.Log.Info("a code was asked for and not sent", "address", MaskEmail(email), "locked", locked)
		return browser, nil
	}
	m := mail.Message{To: email, Subject: "Your code for Tintype", Text: "Your code is " + digits[:4] + " " + digits[4:] + "\n\nIt works for 10 minutes, once, and only in the browser that asked for it.\nIf you didn't ask for it, do nothing: nobody gets in without it.\n"}
	// The mail is sent behind the answer, whose time says nothing then.
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if err := p.Mail.Send(ctx, m); err != nil {
			p.Log.Error("a code can't be sent", "address", MaskEmail(email), "error", err)
		}
	}()
	return browser, nil
}

// digitsOf returns n random digits.
func digitsOf(n int) string {
	b := make([]byte, 0, n)
	for len(b) < n {
		var one [1]byte
		_, _ = rand.Read(one[:])
		if one[0] < 250 { // 250 to 255 would make some digits likelier
			b = append(b, '0'+one[0]%10)
		}
	}
	return string(b)
}

// maySignIn reports whether an address has an account, or gets one when it signs in.
func (p *People) maySignIn(ctx context.Context, email string) (bool, error) {
	var id string
	version, err := p.read(ctx, accounts, email, &id)
	if err != nil {
		return false, err
	}
	invitations, err := p.Records.Records(ctx, "invited#"+email, "", 1)
	if err != nil {
		return false, err
	}
	return version > 0 || p.IsOperator(email) || p.Signup == SignupOpen || p.Signup != SignupOff && len(invitations) > 0, nil
}

// IsOperator reports whether an address is one of the operators'.
func (p *People) IsOperator(email string) bool { return slices.Contains(p.Operators, email) }

// locked reports whether too many wrong codes were tried today for the address. A browser
// that signed in before has an allowance of its own, so that a stranger can't lock the
// owner out.
func (p *People) locked(ctx context.Context, email string, c Client) (bool, error) {
	n, err := p.counted(ctx, failed, p.allowance(ctx, email, c), 24*time.Hour)
	return n >= failuresADay, err
}

// allowance is the name of the record that counts the wrong codes of a client.
func (p *People) allowance(ctx context.Context, email string, c Client) string {
	if c.Device != "" {
		var owner string
		if version, err := p.read(ctx, devices, hashOf(c.Device), &owner); err == nil && version > 0 && owner == email {
			return hashOf(c.Device)
		}
	}
	return email
}

// SignIn ends the way of a code, and returns the token of a new session and that of the
// device, for cookies.
func (p *People) SignIn(ctx context.Context, address, digits string, c Client) (session, device string, err error) {
	email, err := ParseEmail(address)
	if err != nil || c.Browser == "" {
		return "", "", ErrCode
	}
	locked, err := p.locked(ctx, email, c)
	if err != nil {
		return "", "", err
	}
	digits = strings.Join(strings.FieldsFunc(digits, func(r rune) bool { return r < '0' || r > '9' }), "")
	right := false
	err = again(func() error {
		var is code
		right = false
		version, err := p.read(ctx, codes, hashOf(c.Browser), &is)
		if err != nil {
			return err
		}
		if version == 0 {
			return nil
		}
		right = !locked && is.Email == email && hmac.Equal(is.Hash, hashOfCode(c.Browser, email, digits))
		if is.Tries++; right || is.Tries >= codeTries {
			return p.Records.WriteRecords(ctx, []Write{remove(codes, hashOf(c.Browser), version)})
		}
		r, err := p.Records.Record(ctx, codes, hashOf(c.Browser))
		if err != nil {
			return err
		}
		return p.Records.WriteRecords(ctx, []Write{put(codes, hashOf(c.Browser), version, r.Expires, is)})
	})
	if err != nil {
		return "", "", err
	}
	if !right {
		_, err := p.count(ctx, failed, p.allowance(ctx, email, c), 24*time.Hour, failuresADay)
		return "", "", cmp.Or(err, ErrCode)
	}
	may, err := p.maySignIn(ctx, email)
	if err != nil {
		return "", "", err
	}
	if !may {
		return "", "", ErrCode
	}
	a, err := p.MakeAccount(ctx, email)
	if err != nil {
		return "", "", err
	}
	return p.begin(ctx, a, c)
}

// MakeAccount returns the account of a canonical address, and makes it where there is none.
func (p *People) MakeAccount(ctx context.Context, email string) (a Account, err error) {
	err = again(func() error {
		var id string
		version, err := p.read(ctx, accounts, email, &id)
		if err != nil {
			return err
		}
		if version > 0 {
			_, err = p.read(ctx, accounts, id, &a)
			return err
		}
		a = Account{ID: "acc_" + rand.Text(), Email: email, CreatedAt: p.Now().UTC().Truncate(time.Millisecond)}
		return p.Records.WriteRecords(ctx, []Write{put(accounts, email, 0, time.Time{}, a.ID), put(accounts, a.ID, 0, time.Time{}, a)})
	})
	return a, err
}

// begin makes a session.
func (p *People) begin(ctx context.Context, a Account, c Client) (session, device string, err error) {
	now := p.Now().UTC().Truncate(time.Millisecond)
	session, device = token(), c.Device
	name := hashOf(session)
	s := Session{ID: name[:16], AccountID: a.ID, CreatedAt: now, SeenAt: now, Device: clip(c.UserAgent, 200), Place: network(c.IP)}
	writes := []Write{put(sessions, name, 0, now.Add(sessionIdle), s), put("sessions#"+a.ID, name, 0, now.Add(sessionIdle), s)}
	if p.allowance(ctx, a.Email, c) == a.Email {
		device = token()
		writes = append(writes, put(devices, hashOf(device), 0, now.Add(deviceLives), a.Email))
	}
	return session, device, p.Records.WriteRecords(ctx, writes)
}

func clip(s string, most int) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// Visitor returns who has the session of this token.
func (p *People) Visitor(ctx context.Context, token string) (v Visitor, err error) {
	name := hashOf(token)
	version, err := p.read(ctx, sessions, name, &v.Session)
	if err != nil {
		return Visitor{}, err
	}
	now := p.Now()
	if version == 0 || now.Sub(v.Session.CreatedAt) >= sessionLives || now.Sub(v.Session.SeenAt) >= sessionIdle {
		return Visitor{}, ErrNoSession
	}
	if version, err = p.read(ctx, accounts, v.Session.AccountID, &v.Account); err != nil {
		return Visitor{}, err
	}
	if version == 0 {
		return Visitor{}, ErrNoSession
	}
	v.Operator = p.IsOperator(v.Email)
	if v.Members, err = list[Member](ctx, p, "memberships#"+v.ID); err != nil {
		return Visitor{}, err
	}
	slices.SortFunc(v.Members, func(a, b Member) int { return cmp.Compare(a.Namespace, b.Namespace) })
	if now.Sub(v.Session.SeenAt) >= seenEvery {
		p.seen(ctx, name, v.Session)
	}
	return v, nil
}

// seen writes down that a session was used. A session that ends meanwhile stays ended.
func (p *People) seen(ctx context.Context, name string, s Session) {
	s.SeenAt = p.Now().UTC().Truncate(time.Millisecond)
	until := s.SeenAt.Add(sessionIdle)
	if last := s.CreatedAt.Add(sessionLives); last.Before(until) {
		until = last
	}
	var writes []Write
	for _, group := range []string{sessions, "sessions#" + s.AccountID} {
		r, err := p.Records.Record(ctx, group, name)
		if err != nil {
			return
		}
		writes = append(writes, put(group, name, r.Version, until, s))
	}
	if err := p.Records.WriteRecords(ctx, writes); err != nil && !errors.Is(err, workspace.ErrConflict) {
		p.Log.Warn("the use of a session can't be written down", "error", err)
	}
}

// Sessions returns the sessions of an account, the latest use first.
func (p *People) Sessions(ctx context.Context, accountID string) ([]Session, error) {
	all, err := list[Session](ctx, p, "sessions#"+accountID)
	slices.SortFunc(all, func(a, b Session) int { return b.SeenAt.Compare(a.SeenAt) })
	return all, err
}

// EndSessions ends the session of an account with this ID, or all of them where it is empty.
// It returns how many.
func (p *People) EndSessions(ctx context.Context, accountID, id string) (ended int, err error) {
	group := "sessions#" + accountID
	for after := ""; ; {
		page, err := p.Records.Records(ctx, group, after, 100)
		if err != nil {
			return ended, err
		}
		for _, r := range page {
			after = r.Name
			if id != "" && r.Name[:16] != id {
				continue
			}
			err := again(func() error {
				var writes []Write
				for _, g := range []string{group, sessions} {
					r, err := p.Records.Record(ctx, g, r.Name)
					if errors.Is(err, workspace.ErrNotFound) {
						continue
					}
					if err != nil {
						return err
					}
					writes = append(writes, remove(g, r.Name, r.Version))
				}
				return p.Records.WriteRecords(ctx, writes)
			})
			if err != nil {
				return ended, err
			}
			ended++
		}
		if len(page) < 100 {
			return ended, nil
		}
	}
}

// SignOut ends the session of this token.
func (p *People) SignOut(ctx context.Context, token string) error {
	var s Session
	version, err := p.read(ctx, sessions, hashOf(token), &s)
	if err != nil || version == 0 {
		return err
	}
	_, err = p.EndSessions(ctx, s.AccountID, s.ID)
	return err
}
