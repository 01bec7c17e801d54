package delivery

import (
	"net/http"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
)

// Watched is a request for an image that was answered.
type Watched struct {
	WorkspaceID, Namespace string
	Source                 string     // key of a configured source, or empty
	KeyID                  string     // API key that sent it; empty for anybody
	Client                 string     // address
	Status                 int        // of the answer
	Code                   fault.Code // why it failed, also where another image is shown instead
	Made                   bool       // a variant was made for it
}

// watchRequest tells Config.Watch of a request. It leaves out what usage leaves out.
func (s *Service) watchRequest(w *Response, r *http.Request) {
	c := w.Log.site
	if c == nil || s.watch == nil || w.Log.Who.Test || w.Status == StatusClientGone {
		return
	}
	seen := Watched{
		WorkspaceID: c.ID, Namespace: c.Namespace, Source: w.Log.Source, Client: w.Log.Client, Status: w.Status, Code: w.Log.Code,
		Made: w.Log.Cache == "miss" && w.Status < 400 && w.Log.Code == "",
	}
	if who := w.Log.Who; who.Kind == apikey.Key && who.WorkspaceID == c.ID {
		seen.KeyID = who.KeyID
	}
	s.watch(seen)
}
