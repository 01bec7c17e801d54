package dashboard

import (
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// An imagePage is the data of image.html.
type imagePage struct {
	manage.Image
	Name       string
	Crumbs     []folder
	Shown      picture
	Private    bool   // its URL needs a signature
	Absolute   string // URL
	Playground string // URL
	Block      *workspace.Block
	MayWrite   bool
	MaySign    bool
	Uploads    bool   // it can be deleted
	NoKey      string // why no link can be made yet; empty if it can
	MayMakeKey bool   // that lacks
	Signed     string
	SignedFor  string // in words
	Form       form

	SignedUntil time.Time
}

// URLHelp says what the URL of a private image needs.
func (p imagePage) URLHelp() string {
	if !p.Private {
		return ""
	}
	return "It needs an API key or a signature."
}

// lifetimes are how long a signed URL of the page may be good for.
var lifetimes = []struct {
	Seconds int
	Name    string
}{{3600, "one hour"}, {86400, "one day"}, {7 * 86400, "seven days"}}

// image is the page of one image. A POST blocks, unblocks or deletes it, or signs its URL.
func (v *visit) image() error {
	p := imagePage{Image: manage.Image{Source: v.r.URL.Query().Get("source"), Path: v.r.URL.Query().Get("path")}}
	if v.r.Method != http.MethodPost {
		return v.showImage(p, http.StatusOK)
	}
	f, err := v.form()
	if err != nil {
		return err
	}
	p.Form = f
	ctx, who, here := v.r.Context(), v.caller(), v.imageURL(p.Source, p.Path)
	switch f.get("do") {
	case "sign":
		seconds, _ := f.number("seconds")
		for _, r := range lifetimes {
			if r.Seconds == seconds {
				p.SignedFor = r.Name
			}
		}
		if f.on("key") {
			if err := v.firstKey(); err != nil {
				return v.imageFails(p, err)
			}
		}
		signed, until, err := v.d.Manage.SignImage(ctx, who, v.ns, p.Source, p.Path, "", seconds)
		if err == nil {
			p.Signed, p.SignedUntil = v.base()+signed, until.UTC()
			return v.showImage(p, http.StatusOK)
		}
		return v.imageFails(p, err)
	case "block":
		_, err := v.d.Manage.BlockImage(ctx, who, v.ns, manage.NewBlock{Path: p.Source + "/" + p.Path, Reason: f.get("reason")})
		if err == nil {
			http.Redirect(v.w, v.r, here+"&done=blocked", http.StatusSeeOther)
			return nil
		}
		return v.imageFails(p, err)
	case "unblock":
		if err := v.d.Manage.UnblockImage(ctx, who, v.ns, f.get("id")); err != nil {
			return v.imageFails(p, err)
		}
		http.Redirect(v.w, v.r, here+"&done=unblocked", http.StatusSeeOther)
		return nil
	case "delete":
		if f.get("typed") != strings.TrimSpace(path.Base(p.Path)) {
			return v.imageFails(p, wrong("typed", "must be "+path.Base(p.Path)+", the name of the image"))
		}
		if err := v.d.Manage.DeleteImage(ctx, who, v.ns, p.Source, p.Path); err != nil {
			return v.imageFails(p, err)
		}
		http.Redirect(v.w, v.r, v.folderURL(p.Source, above(p.Path))+"&done=gone", http.StatusSeeOther)
		return nil
	}
	return fault.New(fault.Validation, "The form says nothing to do.")
}

// above returns the folder of an object key, as a prefix.
func above(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

func (v *visit) imageFails(p imagePage, err error) error {
	if status, ok := v.refused(err, &p.Form, map[string]string{"typed": "typed", "reason": "reason"}); ok {
		return v.showImage(p, status)
	}
	return err
}

func (v *visit) showImage(p imagePage, status int) error {
	ctx, who := v.r.Context(), v.caller()
	w, err := v.workspace()
	if err != nil {
		return err
	}
	if p.Image, err = v.d.Manage.Image(ctx, who, v.ns, p.Source, p.Path); err != nil {
		return err
	}
	name := p.Source + "/" + p.Path
	p.Name, p.Crumbs, p.Absolute = path.Base(p.Path), v.crumbs(p.Source, above(p.Path)), v.base()+p.URL
	p.Playground = v.playgroundURL(name, nil)
	p.MayWrite, p.MaySign = v.may(account.WriteImages), v.may(account.Sign)
	p.Private = v.plainPicture(w, name, nil).private
	if p.Private && p.MaySign {
		missing, err := v.cannotSign()
		if err != nil {
			return err
		}
		if missing != nil {
			p.NoKey, p.MayMakeKey = "A link to a private image is signed, and this workspace has no signing key yet.", v.may(account.WriteSigningKeys)
		}
	}
	blocks, err := v.d.Manage.Blocks(ctx, who, v.ns)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(blocks, func(b workspace.Block) bool { return b.Path == name }); i >= 0 {
		p.Block = &blocks[i]
	}
	if p.Blocked {
		p.Shown.Note = "This image is blocked."
	} else {
		p.Shown.URL = v.thumbnailURL(p.Source, p.Path, true)
	}
	sources, _, err := v.d.Manage.ImageSources(ctx, who, v.ns)
	if err != nil {
		return err
	}
	p.Uploads = slices.Contains(sources, manage.ImageSource{Key: p.Source, Uploads: true})
	return v.show(status, "image", p)
}

// A blockRow is a block with the page of its image.
type blockRow struct {
	workspace.Block
	Page string // URL; empty for a block of a hash
}

// A blocksPage is the data of blocks.html.
type blocksPage struct {
	Blocks      []blockRow
	Older       int // number of the next page; 0 is none
	First, Last int // of the blocks that are shown, the newest is 1
	All         int
	Form        form
	MayWrite    bool
}

const blocksOnPage = 100

// blocks lists what is blocked, and blocks and unblocks.
func (v *visit) blocks() error {
	var f form
	if v.r.Method == http.MethodPost {
		var err error
		if f, err = v.form(); err != nil {
			return err
		}
		what := "blocked"
		if f.get("do") == "unblock" {
			what = "unblocked"
			err = v.d.Manage.UnblockImage(v.r.Context(), v.caller(), v.ns, f.get("id"))
		} else {
			_, err = v.d.Manage.BlockImage(v.r.Context(), v.caller(), v.ns, manage.NewBlock{Path: f.get("path"), SHA256: strings.ToLower(f.get("sha256")), Reason: f.get("reason")})
		}
		if err == nil {
			return v.redirect("/app/"+v.ns+"/images/blocked", what)
		}
		status, ok := v.refused(err, &f, map[string]string{"path": "path", "sha256": "sha256", "reason": "reason"})
		if !ok {
			return err
		}
		return v.showBlocks(f, status)
	}
	return v.showBlocks(f, http.StatusOK)
}

func (v *visit) showBlocks(f form, status int) error {
	blocks, err := v.d.Manage.Blocks(v.r.Context(), v.caller(), v.ns)
	if err != nil {
		return err
	}
	p := blocksPage{Form: f, MayWrite: v.may(account.WriteImages), All: len(blocks)}
	slices.Reverse(blocks)
	number, _ := strconv.Atoi(v.r.URL.Query().Get("page"))
	number = min(max(number, 1), max(len(blocks)+blocksOnPage-1, blocksOnPage)/blocksOnPage)
	blocks = blocks[(number-1)*blocksOnPage:]
	if len(blocks) > blocksOnPage {
		blocks, p.Older = blocks[:blocksOnPage], number+1
	}
	p.First = (number-1)*blocksOnPage + 1
	p.Last = p.First + len(blocks) - 1
	for _, b := range blocks {
		row := blockRow{Block: b}
		if source, path, ok := strings.Cut(b.Path, "/"); ok {
			row.Page = v.imageURL(source, path)
		}
		p.Blocks = append(p.Blocks, row)
	}
	return v.show(status, "blocks", p)
}

// size writes a number of bytes for people.
func size(bytes int64) string {
	switch {
	case bytes < 1000:
		return strconv.FormatInt(bytes, 10) + " bytes"
	case bytes < 1_000_000:
		return strconv.FormatInt((bytes+500)/1000, 10) + " kB"
	}
	return strconv.FormatFloat(float64(bytes)/1e6, 'f', 1, 64) + " MB"
}

// day writes a time as people read it in a list.
func day(t *time.Time) string {
	if t == nil {
		return "unknown"
	}
	return t.Format("2006-01-02 15:04") + " UTC"
}
