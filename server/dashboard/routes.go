package dashboard

import "github.com/tintype/tintype/account"

// A route is a row of the table of pages.
type route struct {
	pattern string // of http.ServeMux
	needs   account.Action
	files   bool // its form has files, and may be larger than maxForm
	open    bool // for visitors who aren't signed in too
	page    func(*visit) error
}

// routes is the table of all pages. Those with {ns} are of one workspace, and need the right
// to an action there.
var routes = []route{
	{pattern: "GET /app", page: (*visit).workspaces},
	{pattern: "POST /app", page: (*visit).createWorkspace},
	// No namespace has two letters.
	{pattern: "GET /app/me/sign-in", open: true, page: (*visit).signIn},
	{pattern: "POST /app/me/sign-in", open: true, page: (*visit).signIn},
	{pattern: "POST /app/me/sign-out", open: true, page: (*visit).signOut},
	{pattern: "GET /app/me/new", page: (*visit).newWorkspace},
	{pattern: "POST /app/me/new", page: (*visit).newWorkspace},
	{pattern: "GET /app/me", page: (*visit).me},
	{pattern: "POST /app/me/sessions", page: (*visit).endSession},
	{pattern: "POST /app/me/passkey", open: true, page: (*visit).askPasskey},
	{pattern: "POST /app/me/passkeys", page: (*visit).passkeys},
	{pattern: "POST /app/me/passkeys/begin", page: (*visit).beginPasskey},
	{pattern: "POST /app/me/invitations", page: (*visit).accept},
	{pattern: "GET /app/me/alerts", open: true, page: (*visit).confirmAlerts},
	{pattern: "POST /app/me/alerts", open: true, page: (*visit).confirmAlerts},
	{pattern: "GET /app/{ns}/alerts", needs: account.ReadAlerts, page: (*visit).alerts},
	{pattern: "POST /app/{ns}/alerts", needs: account.WriteAlerts, page: (*visit).alerts},
	{pattern: "GET /app/{ns}/members", needs: account.ReadMembers, page: (*visit).members},
	{pattern: "POST /app/{ns}/members", needs: account.ReadMembers, page: (*visit).members},
	{pattern: "GET /app/{ns}", needs: account.ReadUsage, page: (*visit).overview},
	{pattern: "POST /app/{ns}/first-steps", needs: account.UpdateWorkspace, page: (*visit).changeFirstSteps},
	{pattern: "GET /app/{ns}/access", needs: account.ReadWorkspace, page: (*visit).access},
	{pattern: "POST /app/{ns}/access", needs: account.UpdateWorkspace, page: (*visit).access},
	{pattern: "GET /app/{ns}/log", needs: account.ReadAudit, page: (*visit).log},
	{pattern: "GET /app/{ns}/log.csv", needs: account.ReadAudit, page: (*visit).logFile},
	{pattern: "GET /app/{ns}/errors", needs: account.ReadErrors, page: (*visit).errors},
	{pattern: "GET /app/{ns}/errors.csv", needs: account.ReadErrors, page: (*visit).errorsFile},
	{pattern: "GET /app/{ns}/limits", needs: account.ReadWorkspace, page: (*visit).limits},
	{pattern: "GET /app/{ns}/keys", needs: account.ReadAPIKeys, page: (*visit).keys},
	{pattern: "POST /app/{ns}/keys", needs: account.WriteAPIKeys, page: (*visit).keys},
	{pattern: "GET /app/{ns}/signing-keys", needs: account.ReadSigningKeys, page: (*visit).signingKeys},
	{pattern: "POST /app/{ns}/signing-keys", needs: account.WriteSigningKeys, page: (*visit).signingKeys},
	{pattern: "GET /app/{ns}/domains", needs: account.ReadDomains, page: (*visit).domains},
	{pattern: "POST /app/{ns}/domains", needs: account.UpdateDomains, page: (*visit).domains},
	{pattern: "GET /app/{ns}/domains/{name}/delete", needs: account.UpdateDomains, page: (*visit).removeDomain},
	{pattern: "POST /app/{ns}/domains/{name}/delete", needs: account.UpdateDomains, page: (*visit).removeDomain},
	{pattern: "GET /app/{ns}/settings", needs: account.ReadWorkspace, page: (*visit).general},
	{pattern: "POST /app/{ns}/settings", needs: account.UpdateWorkspace, page: (*visit).general},
	{pattern: "GET /app/{ns}/settings.yaml", needs: account.ReadWorkspace, page: (*visit).export},
	{pattern: "GET /app/{ns}/settings/import", needs: account.UpdateWorkspace, page: (*visit).importFile},
	{pattern: "POST /app/{ns}/settings/import", needs: account.UpdateWorkspace, page: (*visit).importFile},
	{pattern: "GET /app/{ns}/delete", needs: account.DeleteWorkspace, page: (*visit).deleteWorkspace},
	{pattern: "POST /app/{ns}/delete", needs: account.DeleteWorkspace, page: (*visit).deleteWorkspace},
	{pattern: "POST /app/{ns}/billing", needs: account.Pay, page: (*visit).billing},
	{pattern: "POST /app/{ns}/limits", needs: account.UpdateLimits, page: (*visit).limits},
	{pattern: "GET /app/{ns}/sources", needs: account.ReadWorkspace, page: (*visit).sources},
	// No key and no name begins with _.
	{pattern: "GET /app/{ns}/sources/_new", needs: account.WriteSource, page: (*visit).newSource},
	{pattern: "POST /app/{ns}/sources/_new", needs: account.WriteSource, page: (*visit).newSource},
	{pattern: "GET /app/{ns}/sources/{key}", needs: account.ReadWorkspace, page: (*visit).source},
	{pattern: "POST /app/{ns}/sources/{key}", needs: account.WriteSource, page: (*visit).source},
	{pattern: "GET /app/{ns}/sources/{key}/delete", needs: account.WriteSource, page: (*visit).removeSource},
	{pattern: "POST /app/{ns}/sources/{key}/delete", needs: account.WriteSource, page: (*visit).removeSource},
	{pattern: "GET /app/{ns}/presets", needs: account.ReadWorkspace, page: (*visit).presets},
	{pattern: "GET /app/{ns}/presets/_new", needs: account.WritePreset, page: (*visit).preset},
	{pattern: "POST /app/{ns}/presets/_new", needs: account.WritePreset, page: (*visit).preset},
	{pattern: "GET /app/{ns}/presets/{name}", needs: account.ReadWorkspace, page: (*visit).preset},
	{pattern: "POST /app/{ns}/presets/{name}", needs: account.WritePreset, page: (*visit).preset},
	{pattern: "GET /app/{ns}/presets/{name}/delete", needs: account.WritePreset, page: (*visit).removePreset},
	{pattern: "POST /app/{ns}/presets/{name}/delete", needs: account.WritePreset, page: (*visit).removePreset},
	{pattern: "GET /app/{ns}/images", needs: account.ReadImages, page: (*visit).images},
	{pattern: "POST /app/{ns}/images", needs: account.WriteImages, files: true, page: (*visit).uploadImages},
	{pattern: "POST /app/{ns}/images/parts", needs: account.WriteImages, page: (*visit).uploadParts},
	{pattern: "GET /app/{ns}/images/image", needs: account.ReadImages, page: (*visit).image},
	{pattern: "POST /app/{ns}/images/image", needs: account.WriteImages, page: (*visit).image},
	{pattern: "GET /app/{ns}/images/thumbnail", needs: account.PreviewImages, page: (*visit).thumbnail},
	{pattern: "GET /app/{ns}/images/blocked", needs: account.ReadImages, page: (*visit).blocks},
	{pattern: "POST /app/{ns}/images/blocked", needs: account.WriteImages, page: (*visit).blocks},
	{pattern: "GET /app/{ns}/playground", needs: account.ReadImages, page: (*visit).playground},
	{pattern: "POST /app/{ns}/playground", needs: account.Sign, page: (*visit).signInPlayground},
	{pattern: "GET /app/{ns}/marks", needs: account.ReadWorkspace, page: (*visit).marks},
	{pattern: "GET /app/{ns}/marks/_new", needs: account.WriteMark, page: (*visit).mark},
	{pattern: "POST /app/{ns}/marks/_new", needs: account.WriteMark, page: (*visit).mark},
	{pattern: "GET /app/{ns}/marks/{name}", needs: account.ReadWorkspace, page: (*visit).mark},
	{pattern: "POST /app/{ns}/marks/{name}", needs: account.WriteMark, page: (*visit).mark},
	{pattern: "POST /app/{ns}/marks/_new/preview", needs: account.WriteMark, page: (*visit).previewMark},
	{pattern: "POST /app/{ns}/marks/{name}/preview", needs: account.WriteMark, page: (*visit).previewMark},
	{pattern: "GET /app/{ns}/marks/{name}/delete", needs: account.WriteMark, page: (*visit).removeMark},
	{pattern: "POST /app/{ns}/marks/{name}/delete", needs: account.WriteMark, page: (*visit).removeMark},
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
	{"/sources", "Sources", account.ReadWorkspace},
	{"/images", "Images", account.ReadImages},
	{"/playground", "Playground", account.ReadImages},
	{"/marks", "Marks", account.ReadWorkspace},
	{"/presets", "Presets", account.ReadWorkspace},
	{"/access", "Access", account.ReadWorkspace},
	{"/keys", "API keys", account.ReadAPIKeys},
	{"/signing-keys", "Signing keys", account.ReadSigningKeys},
	{"/domains", "Domains", account.ReadDomains},
	{"/members", "Members", account.ReadMembers},
	{"/alerts", "Alerts", account.ReadAlerts},
	{"/errors", "Errors", account.ReadErrors},
	{"/log", "Log", account.ReadAudit},
	{"/limits", "Plan and limits", account.ReadWorkspace},
	{"/settings", "Settings", account.ReadWorkspace},
}
