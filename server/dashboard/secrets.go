package dashboard

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// A secretField is a field whose text gets into no page.
type secretField struct {
	name  string
	lines bool // it has lines of the form Name: value, of which the values are secret

	// It has URLs, one a line. No setting may have a user name or a password in a URL, so the
	// form is shown without them.
	urls bool

	document bool // it has a workspace as YAML or JSON, of which the secrets of sources are secret
}

// sealedField is the hidden field of a form with the secrets that were typed. They are
// encrypted, since the source of a page can be read over a shoulder, kept by an extension
// or sent to somebody who helps. The field is worth nothing to another person or workspace, nor
// on another page.
const sealedField = "sealed"

// leftOut says at a field that credentials of a URL were taken out of it.
const leftOut = "What you typed before the @ of a URL is left out here, since it may be a password."

var errSealed = fault.New(fault.Validation, "The secrets that were typed before can't be read any more. Type them again.")

// conceal returns the form for a page: the mask replaces each secret that was typed.
func (v *visit) conceal(w *workspace.Workspace, f form, fields []secretField) (form, error) {
	typed := map[string]string{}
	shown := maps.Clone(f.Values)
	for _, field := range fields {
		if field.urls {
			text := shown.Get(field.name)
			if plain := workspace.ReplaceCredentials(text, ""); plain != text {
				shown.Set(field.name, plain)
				f.wrong(field.name, leftOut)
			}
			continue
		}
		eachSecret(shown, field, func(place, secret string) string {
			if secret != "" && secret != workspace.Mask {
				typed[place] = secret
				return workspace.Mask
			}
			return secret
		})
	}
	f.Values = shown
	if len(typed) == 0 {
		return f, nil
	}
	text, err := json.Marshal(typed)
	if err != nil {
		return f, err
	}
	shown.Set(sealedField, v.d.Codec.Seal(w.ID, v.sealedPlace(), string(text)))
	return f, nil
}

// reveal gives the masks of a form that was sent the secrets that they stand for. The other
// masks stand for the secrets that are stored.
func (v *visit) reveal(w *workspace.Workspace, f form, fields []secretField) error {
	sealed := f.Values.Get(sealedField)
	f.Values.Del(sealedField)
	if sealed == "" || len(fields) == 0 {
		return nil
	}
	text, err := v.d.Codec.Open(w.ID, v.sealedPlace(), sealed)
	if err != nil {
		return errSealed
	}
	var typed map[string]string
	if err := json.Unmarshal([]byte(text), &typed); err != nil {
		return err
	}
	for _, field := range fields {
		if field.urls {
			continue
		}
		eachSecret(f.Values, field, func(place, secret string) string {
			if was, ok := typed[place]; ok && secret == workspace.Mask {
				return was
			}
			return secret
		})
	}
	return nil
}

func (v *visit) sealedPlace() string { return "form/" + v.who.ID + v.r.URL.Path }

// eachSecret replaces each secret of a field by what do returns. place names the secret
// within the form.
func eachSecret(values url.Values, field secretField, do func(place, secret string) string) {
	text := values.Get(field.name)
	if text == "" {
		return
	}
	if field.document {
		values.Set(field.name, eachSecretOf(text, do))
		return
	}
	if !field.lines {
		values.Set(field.name, do(field.name, text))
		return
	}
	var lines []string
	for line := range strings.Lines(text) {
		name, secret, ok := strings.Cut(strings.TrimSpace(line), ":")
		switch {
		case ok:
			lines = append(lines, name+": "+do(field.name+"/"+strings.TrimSpace(name), strings.TrimSpace(secret)))
		case name != "":
			lines = append(lines, do("", name)) // the line may be a secret alone
		}
	}
	values.Set(field.name, strings.Join(lines, "\n"))
}

// A typedSecret stands for a secret in the text of a document. A mask couldn't: it keeps the
// stored secret, whatever was typed.
var typedSecret = regexp.MustCompile(`\*\*\*typed-[0-9]+\*\*\*`)

// eachSecretOf is eachSecret for the text of a document. In a text that can't be read, it
// finds those secrets only that it has replaced before.
func eachSecretOf(text string, do func(place, secret string) string) string {
	text = typedSecret.ReplaceAllStringFunc(text, func(place string) string {
		if secret := do(place, workspace.Mask); secret != workspace.Mask {
			return secret
		}
		return place
	})
	all, err := workspace.DecodeAll(strings.NewReader(text), "the text")
	if err != nil {
		return text
	}
	var secrets []string
	for _, d := range all {
		for _, s := range d.Sources {
			secrets = append(append(secrets, s.SecretAccessKey), slices.Collect(maps.Values(s.Headers))...)
			secrets = append(append(secrets, withCredentials(s.URL, s.Endpoint)...), withCredentials(s.PublicURLs...)...)
		}
		secrets = append(append(secrets, withCredentials(d.AllowedOrigins...)...), withCredentials(d.AllowedSources...)...)
		secrets = append(secrets, withCredentials(d.Domains...)...)
		for _, m := range d.Marks {
			secrets = append(secrets, withCredentials(m.Image)...)
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	var pairs []string
	for i, secret := range slices.Compact(secrets) {
		place := fmt.Sprintf("***typed-%d***", i+1)
		if secret == "" || do(place, secret) == secret {
			continue
		}
		if !strings.Contains(text, secret) { // it is written with escapes
			const whole = "***typed-0***"
			do(whole, text)
			return whole
		}
		pairs = append(pairs, secret, place)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// withCredentials returns those of the URLs that have a user name or a password.
func withCredentials(urls ...string) []string {
	return slices.DeleteFunc(slices.Clone(urls), func(url string) bool { return workspace.ReplaceCredentials(url, "") == url })
}
