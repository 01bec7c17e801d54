package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tintype/tintype/client"
)

// sourceCmd has the commands for sources.
type sourceCmd struct {
	List   sourceListCmd   `cmd:"" help:"List the sources, and the folders of the operator's."`
	Put    sourcePutCmd    `cmd:"" help:"Make a source, or replace one."`
	Test   sourceTestCmd   `cmd:"" help:"Fetch one image of a source, and say what is wrong."`
	Delete sourceDeleteCmd `cmd:"" help:"Delete a source. Its originals are not touched."`
}

type sourceListCmd struct {
	inWorkspace
	output
}

func (c *sourceListCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	found, err := api.ListSources(ctx, c.NS)
	if err != nil {
		return err
	}
	return c.print(env, found.Sources, func(row func(...any)) {
		row("KEY", "KIND", "PRIVATE", "UPLOADS", "LISTS")
		for _, s := range found.Sources {
			row(s.Key, s.Kind, s.Private, s.Uploads, s.Lists)
		}
	})
}

// A sourceSettings is a source as flags.
type sourceSettings struct {
	Kind            string   `enum:",http,s3,r2" default:"" placeholder:"KIND" help:"http, s3 or r2. Left out, it follows from --url, --account-id or --bucket."`
	URL             string   `name:"url" placeholder:"URL" help:"Of kind http: the URL that object keys are appended to."`
	Bucket          string   `placeholder:"NAME" help:"Of kinds s3 and r2: the bucket."`
	Prefix          string   `placeholder:"FOLDER/" help:"Of kinds s3 and r2: folders in front of each object key."`
	Region          string   `placeholder:"REGION" help:"Of kind s3: such as eu-west-1."`
	Endpoint        string   `placeholder:"URL" help:"Of kind s3: scheme, host and port of a store that isn't AWS."`
	AccountID       string   `placeholder:"ID" help:"Of kind r2: the Cloudflare account."`
	AccessKeyID     string   `placeholder:"ID" help:"Of kinds s3 and r2: the access key. Its secret is read from TINTYPE_SOURCE_SECRET, or from the file that TINTYPE_SOURCE_SECRET_FILE names; without one, a secret that is there stays."`
	Private         bool     `help:"Images need a signed URL or an API key."`
	Uploads         bool     `help:"Images can be uploaded and deleted."`
	PublicURLs      []string `name:"public-urls" placeholder:"URL" help:"Other URLs of the same originals."`
	CacheControl    string   `placeholder:"TEXT" help:"Cache-Control for browsers and CDNs."`
	TTL             int64    `name:"ttl" placeholder:"SECONDS" help:"How long a variant is kept."`
	Revalidate      int64    `placeholder:"SECONDS" help:"After how long the origin is asked whether the original has changed."`
	SecretAccessKey string   `kong:"-"`
}

func (s sourceSettings) source(key string) client.Source {
	kind := s.Kind
	switch {
	case kind != "":
	case s.AccountID != "":
		kind = "r2"
	case s.Bucket != "":
		kind = "s3"
	default:
		kind = "http"
	}
	return client.Source{
		Key: key, Kind: kind, URL: s.URL, Bucket: s.Bucket, Prefix: s.Prefix, Region: s.Region, Endpoint: s.Endpoint, AccountID: s.AccountID,
		AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey, Private: s.Private, Uploads: s.Uploads, PublicURLs: s.PublicURLs,
		CacheControl: s.CacheControl, TTL: s.TTL, Revalidate: s.Revalidate,
	}
}

type sourcePutCmd struct {
	inWorkspace
	output
	Key string `arg:"" help:"Key of the source: the first segment of its images' paths."`
	sourceSettings
}

func (c *sourcePutCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	if c.SecretAccessKey, err = c.secret(env); err != nil {
		return err
	}
	s, err := api.PutSource(ctx, c.NS, c.Key, c.source(c.Key))
	if err != nil {
		return err
	}
	return c.print(env, s, func(row func(...any)) {
		row("KEY", "KIND", "PLACE", "PRIVATE", "UPLOADS")
		row(s.Key, s.Kind, cmp.Or(s.URL, s.Bucket+"/"+s.Prefix), s.Private, s.Uploads)
	})
}

// secret returns the secret of the access key. *** keeps the one that is there.
func (s sourceSettings) secret(env Env) (string, error) {
	if s.AccessKeyID == "" {
		return "", nil
	}
	text, err := env.Secret("TINTYPE_SOURCE_SECRET")
	return cmp.Or(text, "***"), err
}

type sourceTestCmd struct {
	inWorkspace
	output
	Path string `arg:"" help:"An image as SOURCE/PATH, such as photos/cat.jpg."`
}

func (c *sourceTestCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	key, path, ok := strings.Cut(c.Path, "/")
	if !ok || path == "" {
		return fmt.Errorf("%q is no image such as photos/cat.jpg", c.Path)
	}
	w, err := api.GetWorkspace(ctx, c.NS)
	if err != nil {
		return err
	}
	for _, s := range w.Sources {
		if s.Key == key {
			result, err := api.TestSource(ctx, c.NS, client.SourceTestRequest{Source: s, Path: path})
			if err != nil {
				return err
			}
			if err := c.print(env, result, func(row func(...any)) { row(result.Message) }); err != nil {
				return err
			}
			if !result.Ok {
				return errors.New("the source doesn't work")
			}
			return nil
		}
	}
	return fmt.Errorf("workspace %s has no source %q of its own: tintype ws get %[1]s names them", c.NS, key)
}

type sourceDeleteCmd struct {
	inWorkspace
	Key string `arg:"" help:"Key of the source."`
}

func (c *sourceDeleteCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	if err := api.DeleteSource(ctx, c.NS, c.Key); err != nil {
		return err
	}
	return done(env, "deleted source %s", c.Key)
}

// markCmd has the commands for marks.
type markCmd struct {
	List   markListCmd   `cmd:"" help:"List the marks."`
	Put    markPutCmd    `cmd:"" help:"Make a mark, or replace one."`
	Delete markDeleteCmd `cmd:"" help:"Delete a mark."`
}

type markListCmd struct {
	inWorkspace
	output
}

func (c *markListCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	w, err := api.GetWorkspace(ctx, c.NS)
	if err != nil {
		return err
	}
	return printMarks(c.output, env, w.Marks, w.Marks...)
}

func printMarks(o output, env Env, answer any, marks ...client.Mark) error {
	return o.print(env, answer, func(row func(...any)) {
		row("NAME", "IMAGE", "WIDTH", "HEIGHT", "ALIGN", "OPACITY", "BOUND TO")
		for _, m := range marks {
			opacity := any("")
			if m.Opacity != 0 {
				opacity = m.Opacity
			}
			row(m.Name, m.Image, cmp.Or(m.Width, m.Size), cmp.Or(m.Height, m.Size), m.Align, opacity, m.AutoApplySources)
		}
	})
}

type markPutCmd struct {
	inWorkspace
	output
	Name    string   `arg:"" help:"Name of the mark."`
	Image   string   `required:"" placeholder:"SOURCE/PATH" help:"The mark's image, or a full URL that allowed_sources allows."`
	Width   string   `placeholder:"LENGTH" help:"Width, such as 20% of the image, or 64 pixels."`
	Height  string   `placeholder:"LENGTH" help:"Height."`
	Size    string   `placeholder:"LENGTH" help:"Both."`
	Fit     string   `placeholder:"FIT" help:"How the mark fits into width and height: contain, cover, …"`
	Align   string   `placeholder:"POSITION" help:"Such as bottom,right."`
	Pad     string   `placeholder:"LENGTH" help:"Distance from the edges."`
	Opacity float64  `placeholder:"0-1" help:"1 is opaque."`
	Repeat  bool     `help:"Repeat the mark all over the image."`
	Bind    []string `placeholder:"SOURCE" help:"Sources whose every image carries the mark, whatever the URL says."`
}

func (c *markPutCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	m, err := api.PutMark(ctx, c.NS, c.Name, client.Mark{
		Name: c.Name, Image: c.Image, Width: c.Width, Height: c.Height, Size: c.Size, Fit: c.Fit, Align: c.Align, Pad: c.Pad,
		Opacity: c.Opacity, Repeat: c.Repeat, AutoApplySources: append([]string{}, c.Bind...),
	})
	if err != nil {
		return err
	}
	return printMarks(c.output, env, m, *m)
}

type markDeleteCmd struct {
	inWorkspace
	Name string `arg:"" help:"Name of the mark."`
}

func (c *markDeleteCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	if err := api.DeleteMark(ctx, c.NS, c.Name); err != nil {
		return err
	}
	return done(env, "deleted mark %s", c.Name)
}
