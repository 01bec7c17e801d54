package delivery

import (
	"net/http"

	"github.com/rs/cors"

	"github.com/tintype/tintype/fault"
)

var exposedHeaders = []string{"ETag", "Cache-Status", "Server-Timing", "X-Request-Id", "Tintype-Ignored", "Tintype-Quality"}

// exposed is exposedHeaders as one header value, shared by all responses.
var exposed = []string{"ETag, Cache-Status, Server-Timing, X-Request-Id, Tintype-Ignored, Tintype-Quality"}

var anyOrigin = []string{"*"}

// What answers a request whose Origin admitOrigin has let in, and a preflight of it.
var (
	openCORS = newCORS(func(o *cors.Options) { o.AllowedOrigins = anyOrigin })
	listCORS = newCORS(func(o *cors.Options) { o.AllowOriginFunc = func(string) bool { return true } })
)

func newCORS(set func(*cors.Options)) *cors.Cors {
	o := cors.Options{
		AllowedMethods: []string{http.MethodGet, http.MethodHead},
		AllowedHeaders: []string{"Accept", "Range", "If-None-Match", "If-Range", "X-Request-Id"},
		ExposedHeaders: exposedHeaders,
		MaxAge:         24 * 60 * 60,
	}
	set(&o)
	return cors.New(o)
}

// cors is what answers a request that admitOrigin has let in.
func (c *site) cors() *cors.Cors {
	if c.origins.Any() {
		return openCORS
	}
	return listCORS
}

// admitOrigin sets the CORS headers, and refuses a request whose Origin isn't allowed. A
// request without an Origin passes. So this doesn't protect against hot links: <img> sends
// no Origin.
func (c *site) admitOrigin(w http.ResponseWriter, r *http.Request) error {
	preflight := r.Method == http.MethodOptions
	if c.origins.Any() && !preflight {
		// The same for everybody, so that caches in front need no Vary: Origin.
		h := w.Header()
		h["Access-Control-Allow-Origin"] = anyOrigin
		h["Access-Control-Expose-Headers"] = exposed
		return nil
	}
	given := r.Header["Origin"]
	if len(given) > 1 || len(given) == 1 && !c.origins.Any() && !c.origins.Allow(given[0]) {
		w.Header().Add("Vary", "Origin")
		return fault.New(fault.OriginNotAllowed, "this origin is not in the workspace's allowed_origins")
	}
	if !preflight {
		c.cors().HandlerFunc(w, r)
	} else if !c.origins.Any() && r.Header.Get("Access-Control-Request-Method") == "" {
		w.Header().Add("Vary", "Origin")
	}
	return nil
}

// preflight answers OPTIONS once the origin has been admitted.
func (c *site) preflight(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Access-Control-Request-Method") == "" {
		w.Header().Set("Allow", allowedMethods)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	c.cors().HandlerFunc(w, r)
}
