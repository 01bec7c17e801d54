package dashboard

import (
	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/apikey"
)

const kindPerson = apikey.Person

// A route is a row of the table of pages.
type route struct {
	pattern  string // of http.ServeMux
	needs    account.Action
	open     bool // for visitors who aren't signed in too
	operator bool // for operators only
	page     func(*visit) error
}

// routes is the table of all pages. Those with {ns} are of one workspace, and need the right
// to an action there.
var routes = []route{
	{pattern: "GET /app", page: (*visit).workspaces},
	{pattern: "GET /app/{ns}", needs: account.ReadUsage, page: (*visit).overview},
	{pattern: "GET /app/{ns}/access", needs: account.ReadWorkspace, page: (*visit).access},
	{pattern: "POST /app/{ns}/access", needs: account.UpdateWorkspace, page: (*visit).access},
	{pattern: "GET /app/{ns}/log", needs: account.ReadAudit, page: (*visit).log},
	{pattern: "GET /app/{ns}/log.csv", needs: account.ReadAudit, page: (*visit).logFile},
	{pattern: "GET /app/{ns}/limits", needs: account.ReadWorkspace, page: (*visit).limits},
	{pattern: "POST /app/{ns}/limits", needs: account.UpdateLimits, page: (*visit).limits},
}

// A link is an entry of the navigation of a workspace.
type link struct {
	Path  string // below /app/{ns}
	Title string
	needs account.Action
}

// navigation lists the pages of a workspace, in the order of the menu.
var navigation = []link{
	{"", "Overview", account.ReadUsage},
	{"/access", "Access", account.ReadWorkspace},
	{"/log", "Log", account.ReadAudit},
	{"/limits", "Plan and limits", account.ReadWorkspace},
}
