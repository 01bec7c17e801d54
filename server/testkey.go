package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"image"
	"image/color"
	"image/png"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/transform"
)

// testTransforms is how many variants a test key may have made a day.
const testTransforms = 100

// testKeys are what test keys have used up. It is safe for concurrent use.
type testKeys struct {
	leases limit.Leases
	now    func() time.Time
	spent  *lru.Cache[string, time.Time] // keys that may make nothing until then
}

func newTestKeys(leases limit.Leases, now func() time.Time) *testKeys {
	spent, err := lru.New[string, time.Time](1024)
	if err != nil {
		panic(err) // only a size that isn't positive
	}
	return &testKeys{leases, now, spent}
}

// spend takes one of the transforms that a test key has. Those of a day are few, so
// that asking the store each time costs it nothing.
func (k *testKeys) spend(ctx context.Context, workspaceID, keyID string) error {
	if k.leases == nil {
		return fail("QUOTA_EXCEEDED", "this server makes nothing for test keys")
	}
	key := workspaceID + "/test/" + keyID
	until, ok := k.spent.Get(key)
	if !ok || !k.now().Before(until) {
		g, err := k.leases.Lease(ctx, limit.Request{Key: key, Window: limit.Day, Max: testTransforms, Want: 1})
		if err != nil {
			return err
		}
		if g.Granted == 1 {
			return nil
		}
		until = k.now().Add(g.Ends)
		k.spent.Add(key, until)
	}
	return &Error{
		Code: "QUOTA_EXCEEDED", Message: "a test key has 100 variants made a day (UTC): use a live key, or go on tomorrow",
		RetryAfter: int(until.Sub(k.now())/time.Second) + 1,
	}
}

// glyphs are the letters of the stamp, seven rows of five pixels.
var glyphs = [...]string{
	"#####   #     #     #     #     #     #  ",
	"##### #     #     ####  #     #     #####",
	" #### #     #      ###      #     # #### ",
	"#####   #     #     #     #     #     #  ",
}

// testStamp is the mark that images made with a test key carry: the word TEST, light on
// dark, across the middle.
func testStamp() (transform.MarkImage, error) {
	const scale, gap, border = 8, 1, 2
	width := (len(glyphs)*(5+gap) - gap + 2*border) * scale
	img := image.NewNRGBA(image.Rect(0, 0, width, (7+2*border)*scale))
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			column, row := x/scale-border, y/scale-border
			c := color.NRGBA{0, 0, 0, 160}
			if glyph := column / (5 + gap); column >= 0 && row >= 0 && row < 7 && glyph < len(glyphs) {
				if i := row*6 + column%(5+gap); column%(5+gap) < 5 && strings.HasPrefix(glyphs[glyph][i:], "#") {
					c = color.NRGBA{255, 255, 255, 255}
				}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return transform.MarkImage{}, err
	}
	header, err := transform.ReadHeader(b.Bytes())
	if err != nil {
		return transform.MarkImage{}, err
	}
	return transform.MarkImage{
		Image: b.Bytes(), Header: header, Hash: sha256.Sum256(b.Bytes()),
		Mark: transform.Mark{
			Width: transform.Length{Value: 60, Percent: true}, Height: transform.Length{Value: 60, Percent: true},
			Fit: transform.FitContain, Align: "center", PadSet: true, Opacity: 0.8,
		},
	}, nil
}
