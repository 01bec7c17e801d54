package account

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/limit"
)

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
	byClient, err := p.count(ctx, asked, limit.Client(c.IP), time.Hour, codesClient)
	if err != nil {
		return "", err
	}
	if !byClient {
		return "", ErrTooMany
	}
	allowance, err := p.allowance(ctx, email, c)
	if err != nil {
		return "", err
	}
	byAddress, err := p.count(ctx, asked, allowance, time.Hour, codesAddress)
	if err != nil {
		return "", err
	}
	if !byAddress {
		return "", ErrTooMany
	}
	may, id, err := p.maySignIn(ctx, email)
	if err != nil {
		return "", err
	}
	byPasskey, err := p.byPasskey(ctx, email, id)
	if err != nil {
		return "", err
	}
	locked, err := p.locked(ctx, allowance)
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
	// The mail is sent behind the answer, whose time says nothing then.
	if byPasskey {
		p.tell(ctx, email, "Sign in to Tintype with your passkey", "You are an operator and have a passkey, so that no code signs you in.\nPress “Sign in with a passkey” on the page.\n\nIf you didn't ask for a code, do nothing.\n")
		return browser, nil
	}
	p.tell(ctx, email, "Your code for Tintype", "Your code is "+digits[:4]+" "+digits[4:]+"\n\nIt works for 10 minutes, once, and only in the browser that asked for it.\nIf you didn't ask for it, do nothing: nobody gets in without it.\n")
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

// maySignIn reports whether an address has an account, whose ID it returns, or gets one when
// it signs in.
func (p *People) maySignIn(ctx context.Context, email string) (may bool, id string, err error) {
	stored, err := p.read(ctx, accounts, email, &id)
	if err != nil {
		return false, "", err
	}
	invitations, err := p.Records.Records(ctx, "invited#"+email, "", 1)
	if err != nil {
		return false, "", err
	}
	may = stored.Version > 0 || p.IsOperator(email) || p.Signup == SignupOpen || p.Signup != SignupOff && len(invitations) > 0
	return may, id, nil
}

// IsOperator reports whether an address is one of the operators'.
func (p *People) IsOperator(email string) bool { return slices.Contains(p.Operators, email) }

// allowance returns the name under which the codes of a client count: the address, or the
// browser if somebody signed in to that address in it before. A stranger can use up what the
// address has, but not what such a browser has.
func (p *People) allowance(ctx context.Context, email string, c Client) (string, error) {
	if c.Device == "" {
		return email, nil
	}
	var owner string
	if _, err := p.read(ctx, devices, hashOf(c.Device), &owner); err != nil || owner != email {
		return email, err
	}
	return hashOf(c.Device), nil
}

// locked reports whether too many wrong codes were tried today under an allowance.
func (p *People) locked(ctx context.Context, allowance string) (bool, error) {
	n, err := p.counted(ctx, failed, allowance, 24*time.Hour)
	return n >= failuresADay, err
}

// SignIn makes a session for somebody who has the code. It returns the tokens of the session
// and of the device, for cookies. A try counts only in a browser that has a code of the
// address. Without one nothing is written, so that an invented cookie costs nobody anything.
func (p *People) SignIn(ctx context.Context, address, digits string, c Client) (session, device string, err error) {
	email, err := ParseEmail(address)
	if err != nil || c.Browser == "" {
		return "", "", ErrCode
	}
	allowance, err := p.allowance(ctx, email, c)
	if err != nil {
		return "", "", err
	}
	locked, err := p.locked(ctx, allowance)
	if err != nil {
		return "", "", err
	}
	digits = strings.Join(strings.FieldsFunc(digits, func(r rune) bool { return r < '0' || r > '9' }), "")
	counts, right := false, false
	err = again(func() error {
		var is code
		counts, right = false, false
		stored, err := p.read(ctx, codes, hashOf(c.Browser), &is)
		if err != nil {
			return err
		}
		if counts = stored.Version > 0 && is.Email == email; !counts {
			return nil
		}
		right = !locked && hmac.Equal(is.Hash, hashOfCode(c.Browser, email, digits))
		if is.Tries++; right || is.Tries >= codeTries {
			return p.Records.WriteRecords(ctx, []Write{remove(codes, hashOf(c.Browser), stored.Version)})
		}
		return p.Records.WriteRecords(ctx, []Write{put(codes, hashOf(c.Browser), stored.Version, stored.Expires, is)})
	})
	if err != nil {
		return "", "", err
	}
	if !counts {
		return "", "", ErrCode
	}
	if !right {
		_, err := p.count(ctx, failed, allowance, 24*time.Hour, failuresADay)
		return "", "", cmp.Or(err, ErrCode)
	}
	may, id, err := p.maySignIn(ctx, email)
	if err != nil {
		return "", "", err
	}
	// A passkey may have been added since the code was sent.
	byPasskey, err := p.byPasskey(ctx, email, id)
	if err != nil {
		return "", "", err
	}
	if !may || byPasskey {
		return "", "", ErrCode
	}
	a, err := p.MakeAccount(ctx, email)
	if err != nil {
		return "", "", err
	}
	return p.begin(ctx, a, c, allowance != email)
}
