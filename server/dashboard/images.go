package dashboard

import (
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
)

const (
	imagesOnPage  = 48
	filesInForm   = 100
	maxUploadText = 4 << 10 // bytes of a field beside files
)

// A folder is a link to a folder of a source.
type folder struct{ Name, URL string }

// An imageTile is an image in the list of a folder.
type imageTile struct {
	manage.Image
	Name    string
	Page    string // URL of its page
	Thumb   string // URL; empty for a blocked one
	Blocked bool
}

// A sentFile is a file that a form sent, and what became of it.
type sentFile struct {
	Path    string `json:"path"`
	Message string `json:"message,omitempty"` // what is wrong; empty if it is stored
	Exists  bool   `json:"exists,omitempty"`  // an image is there already
	status  int
}

// An imagesPage is the data of images.html.
type imagesPage struct {
	Sources        []manage.ImageSource
	Source, Prefix string
	Crumbs         []folder // the last is the folder itself
	Folders        []folder
	Images         []imageTile
	First, Next    string // URLs of pages of the folder; empty for none
	Note           string // why the folder can't be listed
	MayWrite       bool
	Uploads        bool // the visitor may upload here
	MaxUpload      int64
	Sent           []sentFile // by this form, and not stored

	// Direct is the scheme and host of the bucket, to which the script sends large images by
	// itself. It is empty where it can't.
	Direct   string
	CORSRule string // what the bucket needs for that
}

// images lists a folder of a source.
func (v *visit) images() error {
	q := v.r.URL.Query()
	return v.showImages(q.Get("source"), q.Get("prefix"), nil, http.StatusOK)
}

func (v *visit) showImages(source, prefix string, sent []sentFile, status int) error {
	ctx, who := v.r.Context(), v.caller()
	p := imagesPage{Source: source, Prefix: prefix, Sent: sent, MayWrite: v.may(account.WriteImages)}
	var err error
	if p.Sources, p.MaxUpload, err = v.d.Manage.ImageSources(ctx, who, v.ns); err != nil {
		return err
	}
	if p.Source == "" && len(p.Sources) > 0 {
		p.Source = p.Sources[0].Key
	}
	i := slices.IndexFunc(p.Sources, func(s manage.ImageSource) bool { return s.Key == p.Source })
	switch {
	case i < 0 && p.Source == "":
		return v.show(status, "images", p)
	case i < 0:
		return fault.New(fault.SourceNotFound, "The workspace has no source of this name whose images can be listed.")
	}
	p.Uploads = p.MayWrite && p.Sources[i].Uploads
	if p.Uploads {
		p.Direct = v.directly(p.Source)
		p.CORSRule = corsRule(v.base())
	}
	p.Crumbs = v.crumbs(p.Source, p.Prefix)
	cursor := v.r.URL.Query().Get("cursor")
	list, err := v.d.Manage.Images(ctx, who, v.ns, p.Source, p.Prefix, "/", cursor, imagesOnPage)
	if err != nil {
		e := fault.OfManaging(err)
		if e.Code == fault.Internal {
			return err
		}
		p.Note = sentence(e.Message) // the page itself is fine: its source isn't
		return v.show(status, "images", p)
	}
	for _, name := range list.Folders {
		p.Folders = append(p.Folders, folder{path.Base(name), v.folderURL(p.Source, name)})
	}
	if p.Images, err = v.tilesOf(list.Images); err != nil {
		return err
	}
	if cursor != "" {
		p.First = v.folderURL(p.Source, p.Prefix)
	}
	if list.Next != "" {
		p.Next = v.folderURL(p.Source, p.Prefix) + "&cursor=" + url.QueryEscape(list.Next)
	}
	return v.show(status, "images", p)
}

// tilesOf returns the images of a list with thumbnails.
func (v *visit) tilesOf(images []manage.Image) (tiles []imageTile, err error) {
	blocks, err := v.d.Manage.Blocks(v.r.Context(), v.caller(), v.ns)
	if err != nil {
		return nil, err
	}
	blocked := map[string]bool{}
	for _, b := range blocks {
		blocked[b.Path] = true
	}
	for _, i := range images {
		tile := imageTile{Image: i, Name: path.Base(i.Path), Page: v.imageURL(i.Source, i.Path), Blocked: blocked[i.Source+"/"+i.Path]}
		if !tile.Blocked {
			tile.Thumb = v.thumbnailURL(i.Source, i.Path, false)
		}
		tiles = append(tiles, tile)
	}
	return tiles, nil
}

func (v *visit) folderURL(source, prefix string) string {
	return "/app/" + v.ns + "/images?" + url.Values{"source": {source}, "prefix": {prefix}}.Encode()
}

func (v *visit) imageURL(source, path string) string {
	return "/app/" + v.ns + "/images/image?" + url.Values{"source": {source}, "path": {path}}.Encode()
}

// crumbs returns the source and the folders above and at a prefix.
func (v *visit) crumbs(source, prefix string) []folder {
	list := []folder{{source, v.folderURL(source, "")}}
	for at, r := range prefix {
		if r == '/' {
			list = append(list, folder{path.Base(prefix[:at+1]), v.folderURL(source, prefix[:at+1])})
		}
	}
	return list
}

// uploadImages stores the files of a form, one after the other. The script of the page sends
// each file by itself, and takes the answer as JSON.
func (v *visit) uploadImages() error {
	up, err := v.readUploads()
	if err != nil {
		return err
	}
	if len(up.sent) == 0 {
		up.sent = []sentFile{{Message: "Choose an image first.", status: http.StatusUnprocessableEntity}}
	}
	if strings.HasPrefix(v.r.Header.Get("Accept"), "application/json") {
		body, err := json.Marshal(up.sent[0])
		if err != nil {
			return err
		}
		return v.answer(up.sent[0].status, "application/json", body)
	}
	failed := slices.DeleteFunc(up.sent, func(f sentFile) bool { return f.Message == "" })
	if len(failed) > 0 {
		return v.showImages(up.source, up.prefix, failed, failed[0].status)
	}
	http.Redirect(v.w, v.r, v.folderURL(up.source, up.prefix)+"&done=uploaded", http.StatusSeeOther)
	return nil
}

// An uploadForm is a form with files while it is read.
type uploadForm struct {
	source, prefix string
	overwrite      bool
	sent           []sentFile
}

// readUploads reads the form as it comes. The fields stand before the files. After a file
// that couldn't be read to its end, the rest isn't read.
func (v *visit) readUploads() (up uploadForm, err error) {
	unreadable := fault.New(fault.Validation, "The form can't be read. Open the page again, and choose the images again.")
	form, err := v.r.MultipartReader()
	if err != nil {
		return up, unreadable
	}
	for len(up.sent) < filesInForm {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			return up, nil
		}
		if err != nil {
			return up, unreadable
		}
		if part.FileName() != "" {
			sent, whole := v.upload(up, part)
			if up.sent = append(up.sent, sent); !whole {
				return up, nil
			}
			continue
		}
		text, err := io.ReadAll(io.LimitReader(part, maxUploadText))
		if err != nil {
			return up, unreadable
		}
		switch value := strings.TrimSpace(string(text)); part.FormName() {
		case "source":
			up.source = value
		case "prefix":
			if up.prefix = strings.TrimLeft(value, "/"); up.prefix != "" && !strings.HasSuffix(up.prefix, "/") {
				up.prefix += "/"
			}
		case "overwrite":
			up.overwrite = value != ""
		}
	}
	return up, nil
}

// upload stores one file of a form. whole reports whether it was read to its end.
func (v *visit) upload(up uploadForm, part *multipart.Part) (sent sentFile, whole bool) {
	ctx, who := v.r.Context(), v.caller()
	sent = sentFile{Path: up.prefix + part.FileName(), status: http.StatusCreated}
	o, err := v.d.Manage.ReadUpload(ctx, who, v.ns, part, -1, func() {
		v.w.Header().Set("Connection", "close")
		_ = http.NewResponseController(v.w).SetReadDeadline(time.Unix(1, 0)) // only a recorder of tests has none
	})
	if err == nil {
		whole = true
		_, err = v.d.Manage.Upload(ctx, who, v.ns, manage.UploadRequest{Source: up.source, Path: sent.Path, Overwrite: up.overwrite}, o)
		o.Release()
	}
	if err != nil {
		sent.fails(v, err)
	}
	return sent, whole
}
