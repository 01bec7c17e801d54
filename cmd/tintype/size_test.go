package main

import "testing"

// sizes are texts with the bytes that they mean, or −1 for what is refused.
var sizes = map[string]size{
	"0": 0, "1048576": 1 << 20, "64MiB": 64 << 20, "1.5GB": 1.5e9, "1.5 GB": 1.5e9, "512k": -1, "512K": 512 << 10, "2T": 2 << 40, "7B": 7, ".5K": 512,
	"": -1, ".": -1, "MiB": -1, "-1": -1, "+1": -1, "1.5.5": -1, "lots": -1, "1 0": -1, "9999999TiB": -1,
	"NaN": -1, "nanMiB": -1, "Inf": -1, "+Inf": -1, "infinityG": -1, "1e400": -1, "1e6": -1, "0x1p20": -1, "0x10MiB": -1, "1_000": -1,
}

func TestSize(t *testing.T) {
	for text, want := range sizes {
		got := size(-1)
		err := got.UnmarshalText([]byte(text))
		if got != want || (err != nil) != (want < 0) {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
}

// FuzzSize: what is taken as a size is digits and a unit, and from 0 to 2^60.
func FuzzSize(f *testing.F) {
	for text := range sizes {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s size
		if err := s.UnmarshalText([]byte(text)); err != nil {
			if s != 0 {
				t.Errorf("%q is refused, and sets %d", text, s)
			}
			return
		}
		if s < 0 || s > 1<<60 || text == "" || text[0] != '.' && text[0] != ' ' && (text[0] < '0' || text[0] > '9') {
			t.Errorf("%q is taken as %d", text, s)
		}
	})
}
