package dashboard

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/tintype/tintype/fault"
)

// keptField is the hidden field of a page about a failure. It has the whole form that failed,
// so that a store that is away for a moment costs nobody what they typed. It is encrypted,
// since forms have secrets, and worth nothing in another session or on another page.
const keptField = "kept"

// maxKept bounds the field, in bytes, so that a form with it isn't larger than maxForm.
const maxKept = maxForm * 9 / 10

var errKept = fault.New(fault.Validation, "What was typed before can't be read any more. Open the page again and type it once more.")

// keep returns the field for the form that was sent, or nothing where there is no form, or
// nobody who could send it again.
func (v *visit) keep() string {
	place := v.keptPlace()
	if v.r.Method != http.MethodPost || v.route.files || place == "" {
		return ""
	}
	f, err := v.form()
	if err != nil || len(f.Values) == 0 {
		return ""
	}
	text, err := json.Marshal(f.Values)
	if err != nil {
		return ""
	}
	if sealed := v.d.Codec.Seal("", place, string(text)); len(sealed) <= maxKept {
		return sealed
	}
	return ""
}

// kept returns the form that a page about a failure kept.
func (v *visit) kept(sealed string) (values url.Values, err error) {
	text, err := v.d.Codec.Open("", v.keptPlace(), sealed)
	if err != nil {
		return nil, errKept
	}
	return values, json.Unmarshal([]byte(text), &values)
}

// keptPlace names the page and the session. It is empty without a session. It asks no store,
// which may be what fails.
func (v *visit) keptPlace() string {
	token := v.cookie(sessionCookie)
	if token == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(token))
	return "kept/" + hex.EncodeToString(sum[:]) + v.r.URL.Path
}
