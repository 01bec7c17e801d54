package apikey

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestParse fixes the format. The result for these texts must never change.
func TestParse(t *testing.T) {
	live, test := New(false).Reveal(), New(true).Reveal()
	flipped := func(s string, i int) string {
		c := byte('a')
		if s[i] == c {
			c = 'b'
		}
		return s[:i] + string(c) + s[i+1:]
	}
	for _, c := range []struct {
		name, text string
		test       bool
		err        error
	}{
		{"live", live, false, nil},
		{"test", test, true, nil},
		{"fixed", "tt_live_000000000000000000000000000000" + checksum("tt_live_000000000000000000000000000000"), false, nil},
		{"vector", vector, false, nil},
		{"empty", "", false, ErrMalformed},
		{"the root key", "a-root-key", false, ErrMalformed},
		{"short", live[:Len-1], false, ErrMalformed},
		{"long", live + "0", false, ErrMalformed},
		{"other prefix", "tt_prod_" + live[8:], false, ErrMalformed},
		{"upper-case prefix", "TT_LIVE_" + live[8:], false, ErrMalformed},
		{"no base62", live[:20] + "-" + live[21:], false, ErrMalformed},
		{"control", live[:20] + "\x00" + live[21:], false, ErrMalformed},
		{"space", " " + live[:Len-1], false, ErrMalformed},
		{"mistyped", flipped(live, 12), false, ErrChecksum},
		{"mistyped checksum", flipped(live, Len-1), false, ErrChecksum},
		{"live as test", testPrefix + live[8:], false, ErrChecksum},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Parse(c.text)
			if !errors.Is(err, c.err) {
				t.Fatalf("Parse(%q): %v, want %v", c.text, err, c.err)
			}
			if err == nil && (s.Reveal() != c.text || s.Test() != c.test) {
				t.Errorf("Parse(%q) is %q, test %v", c.text, s.Reveal(), s.Test())
			}
			if err != nil && len(c.text) > 8 && strings.Contains(err.Error(), c.text) {
				t.Errorf("the error repeats the key: %v", err)
			}
		})
	}
}

// vector is a key that was made once. It shows a change of alphabet, order or checksum.
const vector = "tt_live_TheQuickBrownFoxJumpsOver0123415kB7w"

// TestChecksum computes the checksum in another way, as a number in base 62.
func TestChecksum(t *testing.T) {
	for text, want := range map[string]uint64{
		"":          0,
		"123456789": 0xcbf43926, // the check value of CRC-32/ISO-HDLC
	} {
		var got uint64
		for _, c := range checksum(text) {
			got = got*62 + uint64(strings.IndexRune(digits, c))
		}
		if got != want || len(checksum(text)) != checksumLen {
			t.Errorf("checksum(%q) is %q, which is %#x, want %#x", text, checksum(text), got, want)
		}
	}
}

func TestNew(t *testing.T) {
	seen := map[string]bool{}
	var count [256]int
	for range 2000 {
		s := New(len(seen)%2 == 0).Reveal()
		if seen[s] || len(s) != Len {
			t.Fatalf("%q has %d characters, or was made before", s, len(s))
		}
		seen[s] = true
		for _, c := range []byte(s[8 : 8+randomLen]) {
			count[c]++
		}
	}
	for _, c := range []byte(digits) {
		if count[c] < 600 || count[c] > 1400 { // 968 is expected, 31 its deviation
			t.Errorf("%q stands %d times in 60,000 digits", c, count[c])
		}
	}
}

func TestSecretHides(t *testing.T) {
	s := New(true)
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s), fmt.Sprintf("%#v", &s)} {
		if strings.Contains(text, s.Reveal()[8:]) {
			t.Errorf("%q shows the key", text)
		}
	}
	if s.String() != "tt_test_***" {
		t.Errorf("String is %q", s.String())
	}
}

func FuzzParse(f *testing.F) {
	f.Add(New(false).Reveal())
	f.Add(New(true).Reveal())
	f.Add(vector)
	f.Add("tt_live_")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			if s.Reveal() != "" {
				t.Fatalf("Parse(%q) answers a key and %v", text, err)
			}
			return
		}
		if s.Reveal() != text || len(text) != Len || checksum(text[:Len-checksumLen]) != text[Len-checksumLen:] {
			t.Fatalf("Parse(%q) is %q", text, s.Reveal())
		}
	})
}

func TestMay(t *testing.T) {
	key := Principal{Kind: Key, KeyID: "k", WorkspaceID: "w1", Scopes: []Scope{Read}}
	for _, c := range []struct {
		p     Principal
		scope Scope
		id    string
		want  bool
	}{
		{Principal{}, Read, "w1", false},
		{Principal{Kind: Root}, Write, "w1", true},
		{key, Read, "w1", true},
		{key, Write, "w1", false},
		{key, Read, "w2", false},
		{Principal{Kind: Key, WorkspaceID: "w1", Scopes: []Scope{Admin}}, Read, "w1", true},
		{Principal{Kind: Key, WorkspaceID: "w1", Scopes: []Scope{Admin}}, Write, "w1", true},
		{Principal{Kind: Key, WorkspaceID: "w1", Scopes: []Scope{Read, Write}}, Admin, "w1", false},
		{Principal{Kind: Person, WorkspaceID: "w1", Email: "anna@example.com"}, Read, "w1", false},
		{Principal{Kind: Key, Scopes: []Scope{Read}}, Read, "", false},
	} {
		if got := c.p.May(c.scope, c.id); got != c.want {
			t.Errorf("%+v May(%s, %q) is %v", c.p, c.scope, c.id, got)
		}
	}
}

func TestWithin(t *testing.T) {
	key := New(false).Reveal()
	for text, want := range map[string]bool{
		"": false, "tt_live_": false, key[1:]: false, key[:len(key)-1]: false, "tt_test_" + key[8:]: true,
		key: true, "Bearer " + key: true, key + ":": true, "tt_live_" + key: true, "tt_test_!" + key + key: true,
	} {
		if got := Within(text); got != want {
			t.Errorf("Within(%q) = %v", text, got)
		}
	}
}
