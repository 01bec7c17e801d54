package server

import (
	"fmt"
	"net/http"
	"time"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/server/web"
)

// A SecurityContact is whom to tell about a vulnerability of this installation.
type SecurityContact struct {
	URI    string // mailto: or https:
	Public string // URL of this server, without a path; empty is unknown
}

const (
	securityText = "/.well-known/security.txt" // RFC 9116
	securityPage = "/.well-known/security"
)

// security answers security.txt, and the page that says how to report a vulnerability.
func (s *Server) security(w *delivery.Response, r *http.Request, path string) {
	if !readOnly(w, r) {
		return
	}
	c := s.contact
	if c == nil {
		w.Fail(fault.New(fault.NotFound, "this server names no contact for reports about its security"))
		return
	}
	if path == securityPage {
		s.showPage(w, http.StatusOK, page{Assets: web.Path(), Contact: c.URI})
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=86400")
	// RFC 9116 §2.5.5 recommends less than a year. Whole days, so that the text changes once a day.
	expires := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 6, 0)
	fmt.Fprintf(w, "Contact: %s\nExpires: %s\nPreferred-Languages: en\n", c.URI, expires.Format(time.RFC3339))
	if c.Public != "" {
		fmt.Fprintf(w, "Canonical: %s%s\nPolicy: %s%s\n", c.Public, securityText, c.Public, securityPage)
	}
}
