package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/manage"
)

const imagesPath = "/v1/workspaces/{ns}/images"

type (
	uploadInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		Source    string `query:"source" doc:"Key of the source. In a form, a field."`
		Path      string `query:"path" doc:"Object key of the image in the source. In a form, a field."`
		Overwrite string `query:"overwrite" doc:"true replaces an image that is there already. In a form, a field. Left out, the answer is 409."`
		Pregen    string `query:"pregenerate" doc:"Names of presets, separated by commas, whose variants are made in the background. In a form, a field."`
		upload    stream
	}
	uploadURLInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		Request   body
	}
	uploadURLOutput   struct{ Body manage.UploadURL }
	uploadPartsOutput struct{ Body manage.UploadParts }

	uploadOutput struct{ Body manage.Uploaded }

	sourcesOutput struct {
		Body struct {
			Sources        []manage.SourceInfo `json:"sources" nullable:"false" doc:"Those of the workspace, in their order, then the operator's folders."`
			MaxUploadBytes int64               `json:"max_upload_bytes" doc:"Maximum length of an upload; 0 where the server takes none."`
		}
	}

	imagesInput struct {
		Namespace string   `path:"ns" doc:"Namespace of the workspace."`
		Source    string   `query:"source" doc:"Key of a source of kind s3 or r2, or of a folder of the operator's."`
		Prefix    string   `query:"prefix" doc:"Beginning of the object keys. Left out, all."`
		Delimiter string   `query:"delimiter" doc:"/ lists one folder: what is below it stands in folders. Left out, everything is listed."`
		Cursor    cursor   `query:"cursor" doc:"The next of the previous page. Left out, the first page."`
		Limit     pageSize `query:"limit" doc:"Maximum number of images and folders."`
	}
	imagesOutput struct{ Body manage.ImageList }

	imageInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		Source    string `path:"source" doc:"Key of the source."`
		Path      string `path:"path" doc:"Object key of the image, percent-encoded but for its slashes."`
		at        objectPath
	}
	imageOutput struct{ Body manage.Image }

	signImageInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		Source    string `path:"source" doc:"Key of the source."`
		Path      string `path:"path" doc:"Object key of the image, percent-encoded but for its slashes."`
		Request   optionalBody
		at        objectPath
	}
)

// SignImageRequest says how to sign a URL of an image.
type SignImageRequest struct {
	ExpiresIn int    `json:"expires_in,omitempty" doc:"Lifetime in seconds, 1 to 604800 (7 days). Left out, 3600."`
	Options   string `json:"options,omitempty" doc:"Options of the URL, as in its query: w=400&fit=cover. Left out, none."`
}

// An objectPath is the escaped object key of a request, which is what follows the source in
// the path. The router's own value is decoded: it doesn't tell %2F from a slash.
type objectPath struct{ escaped string }

// read returns the object key.
func (p objectPath) read() (string, error) { return manage.ParseImagePath(p.escaped) }

// find reads the escaped object key from the request.
func (p *objectPath) find(ctx huma.Context) {
	u := ctx.URL()
	segments := strings.SplitN(u.EscapedPath(), "/", 7) // "", v1, workspaces, NS, images, SOURCE, PATH
	if len(segments) == 7 {
		p.escaped = segments[6]
	}
}

// Resolve implements [huma.Resolver].
func (in *imageInput) Resolve(ctx huma.Context) []error {
	in.at.find(ctx)
	return nil
}

// Resolve implements [huma.Resolver].
func (in *signImageInput) Resolve(ctx huma.Context) []error {
	in.at.find(ctx)
	return nil
}

// A stream is a request whose body the operation reads itself.
type stream struct {
	r *http.Request
	w http.ResponseWriter
}

// Resolve implements [huma.Resolver].
func (in *uploadInput) Resolve(ctx huma.Context) []error {
	in.upload.r, in.upload.w = humago.Unwrap(ctx)
	return nil
}

func (a *api) imageRoutes() {
	tag := []string{"Images"}
	handle(a, account.WriteImages, huma.Operation{
		Method: http.MethodPost, Path: imagesPath, OperationID: "uploadImage", Tags: tag,
		Summary: "Upload an image",
		Description: "Checks an image and stores it in a source that has `uploads`, unchanged. Send a form (`multipart/form-data`) with the fields source, path, overwrite and file, " +
			"or the bytes as they are, with the others in the query. The format must be one that the workspace allows, and the whole must be decodable. " +
			"Variants of an image that was replaced are purged. An Idempotency-Key is ignored: without overwrite, an upload is stored once.",
		DefaultStatus: http.StatusCreated,
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"multipart/form-data": {Schema: &huma.Schema{
				Type: huma.TypeObject, Required: []string{"source", "path", "file"},
				Properties: map[string]*huma.Schema{
					"source":      {Type: huma.TypeString, Description: "Key of the source."},
					"path":        {Type: huma.TypeString, Description: "Object key of the image."},
					"overwrite":   {Type: huma.TypeBoolean, Description: "Replace an image that is there already."},
					"pregenerate": {Type: huma.TypeString, Description: "Names of presets, separated by commas, whose variants are made in the background."},
					"file":        {Type: huma.TypeString, Format: "binary", Description: "The image."},
				},
			}},
			"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
			"image/*":                  {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}},
		Metadata: map[string]any{streams: true},
	}, a.uploadImage)
	handle(a, account.WriteImages, huma.Operation{
		Method: http.MethodPost, Path: imagesPath + "/upload-url", OperationID: "createUploadURL", Tags: tag,
		Summary: "Get a URL to upload a large image to",
		Description: "Returns a URL of the bucket, to which a client sends one image of this length and type within 15 minutes, without a key of ours. " +
			"The image is not shown until it is completed. A folder of the operator's has no such URL.",
		RequestBody:   jsonBody("NewUploadURL", "The image.", "application/json"),
		DefaultStatus: http.StatusCreated,
	}, a.createUploadURL)
	handle(a, account.WriteImages, huma.Operation{
		Method: http.MethodPost, Path: imagesPath + "/upload-parts", OperationID: "createUploadParts", Tags: tag,
		Summary: "Begin to upload a large image in parts",
		Description: "Returns a URL of the bucket for each part of an image. A client sends the parts in any order, each again where its connection broke. " +
			"All parts but the last have the same length. The upload can be continued for a day. The image is not shown until it is completed.",
		RequestBody:   jsonBody("NewUploadParts", "The image.", "application/json"),
		DefaultStatus: http.StatusCreated,
	}, a.createUploadParts)
	handle(a, account.WriteImages, huma.Operation{
		Method: http.MethodPost, Path: imagesPath + "/resume", OperationID: "resumeUpload", Tags: tag,
		Summary:     "Continue an upload in parts",
		Description: "Says which parts the bucket has, and returns new URLs, for 15 minutes.",
		RequestBody: jsonBody("UploadName", "The upload.", "application/json"),
	}, a.resumeUpload)
	handle(a, account.WriteImages, huma.Operation{
		Method: http.MethodPost, Path: imagesPath + "/abort", OperationID: "abortUpload", Tags: tag,
		Summary:       "Give up the upload of a large image",
		Description:   "Deletes what was sent to the URL, or to those of its parts. Without, it is deleted after an hour or two, and parts after a day.",
		RequestBody:   jsonBody("UploadName", "The upload.", "application/json"),
		DefaultStatus: http.StatusNoContent,
	}, a.abortUpload)
	handle(a, account.WriteImages, huma.Operation{
		Method: http.MethodPost, Path: imagesPath + "/complete", OperationID: "completeUpload", Tags: tag,
		Summary: "Complete the upload of a large image",
		Description: "Checks an image that was sent to its URL or in parts, stores it under its path, and deletes what was sent. " +
			"Where a part is missing, the answer is 400, and names it. An upload that nobody completes is deleted after an hour or two, one in parts after a day.",
		RequestBody:   jsonBody("CompleteUpload", "The upload.", "application/json"),
		DefaultStatus: http.StatusCreated,
	}, a.completeUpload)
	handle(a, account.ReadImages, huma.Operation{
		Method: http.MethodGet, Path: imagesPath, OperationID: "listImages", Tags: tag,
		Summary: "List the images of a source",
	}, a.listImages)
	handle(a, account.ReadImages, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/sources", OperationID: "listSources", Tags: tag,
		Summary: "List the sources", Description: "Says of each source where its originals are, and whether its images can be listed and uploaded. GET of the workspace has their settings.",
	}, a.listSources)
	const one = imagesPath + "/{source}/{path...}"
	handle(a, account.ReadImages, huma.Operation{
		Method: http.MethodGet, Path: one, OperationID: "getImage", Tags: tag,
		Summary: "Get what is known of an image", Description: "The image itself is not read.",
	}, a.getImage)
	handle(a, account.WriteImages, huma.Operation{
		Method: http.MethodDelete, Path: one, OperationID: "deleteImage", Tags: tag,
		Summary: "Delete an image", Description: "Deletes the original from a source that has `uploads`, and purges its variants.",
		DefaultStatus: http.StatusNoContent,
	}, a.deleteImage)
	handle(a, account.Sign, huma.Operation{
		Method: http.MethodPost, Path: one, OperationID: "signImage", Tags: tag,
		Summary: "Sign a URL of an image", Description: "Makes a URL of the image with a signature that ends. The path ends in `/signed-url`.",
		RequestBody: optional(jsonBody("SignImageRequest", "Lifetime and options. Left out, an hour and none.", "application/json")),
	}, a.signImage)
	// A pattern of the router isn't a path of OpenAPI, and can't name what follows the rest.
	paths := a.huma.OpenAPI().Paths
	item := paths[one]
	delete(paths, one)
	item.Get.Path, item.Delete.Path, item.Post.Path = imagesPath+"/{source}/{path}", imagesPath+"/{source}/{path}", imagesPath+"/{source}/{path}/signed-url"
	paths[item.Get.Path] = &huma.PathItem{Get: item.Get, Delete: item.Delete}
	paths[item.Post.Path] = &huma.PathItem{Post: item.Post}
}

func (a *api) createUploadURL(ctx context.Context, in *uploadURLInput) (*uploadURLOutput, error) {
	var n manage.NewUploadURL
	if err := in.Request.decode(&n); err != nil {
		return nil, err
	}
	u, err := a.manage.UploadURL(ctx, caller(ctx), in.Namespace, n)
	return &uploadURLOutput{u}, err
}

func (a *api) createUploadParts(ctx context.Context, in *uploadURLInput) (*uploadPartsOutput, error) {
	var n manage.NewUploadParts
	if err := in.Request.decode(&n); err != nil {
		return nil, err
	}
	u, err := a.manage.UploadParts(ctx, caller(ctx), in.Namespace, n)
	return &uploadPartsOutput{u}, err
}

func (a *api) resumeUpload(ctx context.Context, in *uploadURLInput) (*uploadPartsOutput, error) {
	var n manage.UploadName
	if err := in.Request.decode(&n); err != nil {
		return nil, err
	}
	u, err := a.manage.ResumeUpload(ctx, caller(ctx), in.Namespace, n)
	return &uploadPartsOutput{u}, err
}

func (a *api) abortUpload(ctx context.Context, in *uploadURLInput) (*struct{}, error) {
	var n manage.UploadName
	if err := in.Request.decode(&n); err != nil {
		return nil, err
	}
	return nil, a.manage.AbortUpload(ctx, caller(ctx), in.Namespace, n)
}

func (a *api) completeUpload(ctx context.Context, in *uploadURLInput) (*uploadOutput, error) {
	var c manage.CompleteUpload
	if err := in.Request.decode(&c); err != nil {
		return nil, err
	}
	out, err := a.manage.CompleteUpload(ctx, caller(ctx), in.Namespace, c)
	return &uploadOutput{out}, err
}

func (a *api) listImages(ctx context.Context, in *imagesInput) (*imagesOutput, error) {
	limit, err := in.Limit.count()
	if err != nil {
		return nil, err
	}
	list, err := a.manage.Images(ctx, caller(ctx), in.Namespace, in.Source, in.Prefix, in.Delimiter, string(in.Cursor), limit)
	return &imagesOutput{list}, err
}

func (a *api) listSources(ctx context.Context, in *namespaceInput) (*sourcesOutput, error) {
	list, most, err := a.manage.Sources(ctx, caller(ctx), in.Namespace)
	out := &sourcesOutput{}
	out.Body.Sources, out.Body.MaxUploadBytes = append([]manage.SourceInfo{}, list...), most
	return out, err
}

func (a *api) getImage(ctx context.Context, in *imageInput) (*imageOutput, error) {
	path, err := in.at.read()
	if err != nil {
		return nil, err
	}
	i, err := a.manage.Image(ctx, caller(ctx), in.Namespace, in.Source, path)
	return &imageOutput{i}, err
}

func (a *api) deleteImage(ctx context.Context, in *imageInput) (*struct{}, error) {
	path, err := in.at.read()
	if err != nil {
		return nil, err
	}
	return nil, a.manage.DeleteImage(ctx, caller(ctx), in.Namespace, in.Source, path)
}

func (a *api) signImage(ctx context.Context, in *signImageInput) (out *signOutput, err error) {
	escaped, found := strings.CutSuffix(in.at.escaped, "/signed-url")
	if !found {
		return nil, errNoRoute
	}
	path, err := objectPath{escaped}.read()
	if err != nil {
		return nil, err
	}
	var req SignImageRequest
	if err := in.Request.decode(&req); err != nil {
		return nil, err
	}
	out = &signOutput{}
	out.Body.SignedURL, out.Body.ExpiresAt, err = a.manage.SignImage(ctx, caller(ctx), in.Namespace, in.Source, path, req.Options, req.ExpiresIn)
	return out, err
}

var (
	errUploadForm = invalid("The form can't be read. Send multipart/form-data with the fields source, path, overwrite and file.")
	errUploadJSON = invalid("The body must be an image: send a form (multipart/form-data) with the field file, or the bytes of the image as they are.")
	errUploadFile = invalid("file: is required: the field of the form that holds the image.")
)

func (a *api) uploadImage(ctx context.Context, in *uploadInput) (*uploadOutput, error) {
	u := upload{api: a, ctx: ctx, in: in, fields: url.Values{"source": {in.Source}, "path": {in.Path}, "overwrite": {in.Overwrite}, "pregenerate": {in.Pregen}}}
	kind, _, err := mime.ParseMediaType(in.upload.r.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "multipart/form-data":
		err = u.readForm()
	case err == nil && (kind == "application/json" || kind == "application/x-www-form-urlencoded"):
		err = errUploadJSON
	default:
		err = u.readFile(in.upload.r.Body, in.upload.r.ContentLength)
	}
	defer u.release()
	if err != nil {
		return nil, err
	}
	req := manage.UploadRequest{Source: u.fields.Get("source"), Path: u.fields.Get("path")}
	if req.Overwrite, err = readBool("overwrite", u.fields.Get("overwrite")); err != nil {
		return nil, err
	}
	if list := u.fields.Get("pregenerate"); list != "" {
		req.Pregenerate = strings.Split(list, ",")
	}
	out, err := a.manage.Upload(ctx, caller(ctx), in.Namespace, req, u.object)
	return &uploadOutput{out}, err
}

func readBool(name, text string) (bool, error) {
	switch text {
	case "true", "1":
		return true, nil
	case "", "false", "0":
		return false, nil
	}
	return false, invalid(name + ": must be true or false.")
}

// An upload is a request while it is read.
type upload struct {
	api    *api
	ctx    context.Context
	in     *uploadInput
	fields url.Values
	object *manage.UploadedBytes
}

func (u *upload) release() {
	if u.object != nil {
		u.object.Release()
	}
}

func (u *upload) readFile(r io.Reader, length int64) (err error) {
	u.object, err = u.api.manage.ReadUpload(u.ctx, caller(u.ctx), u.in.Namespace, r, length, delivery.StopReading(u.in.upload.w))
	return err
}

const (
	maxFormField  = 4 << 10 // bytes
	maxFormFields = 16
)

// readForm reads a form, whose fields may come in any order. A field of the form wins over
// one in the query.
func (u *upload) readForm() error {
	form, err := u.in.upload.r.MultipartReader()
	if err != nil {
		return errUploadForm
	}
	seen := map[string]bool{}
	for range maxFormFields {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			if u.object == nil {
				return errUploadFile
			}
			return nil
		}
		if err != nil {
			return errUploadForm
		}
		name := part.FormName()
		switch {
		case seen[name]:
			return invalid(name + ": is there twice.")
		case name == "file":
			err = u.readFile(part, -1)
		case u.fields.Has(name):
			err = u.readField(part, name)
		default:
			err = errUploadForm
		}
		seen[name] = true
		if err != nil {
			return err
		}
	}
	return errUploadForm
}

func (u *upload) readField(part *multipart.Part, name string) error {
	value, err := io.ReadAll(io.LimitReader(part, maxFormField+1))
	if err != nil || len(value) > maxFormField {
		return errUploadForm
	}
	u.fields.Set(name, string(value))
	return nil
}
