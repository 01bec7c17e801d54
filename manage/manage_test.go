package manage_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/mail"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/manage/managetest"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// A stub is a manage.Delivery.
type stub struct {
	check func(*workspace.Workspace) error // nil finds no error
}

func (s stub) Check(w *workspace.Workspace) error {
	if s.check == nil {
		return nil
	}
	return s.check(w)
}

func (stub) FindPurge(context.Context, string, string) ([]workspace.Purge, []string, error) {
	return nil, nil, errors.New("is no URL of an image")
}

func (stub) Explain(context.Context, string, string, string) (delivery.Explanation, error) {
	return delivery.Explanation{Status: 200}, nil
}

func (stub) WouldRefuse(context.Context, *workspace.Workspace) (delivery.Refusals, error) {
	return delivery.Refusals{URLs: 7, Of: 9, Paths: []string{"/photos/a.jpg", "/photos/b.jpg"}, Code: "SOURCE_NOT_ALLOWED"}, nil
}

func (stub) TestSource(context.Context, *workspace.Workspace, string, string) (delivery.Metadata, error) {
	return delivery.Metadata{}, nil
}

func (stub) Thumbnail(context.Context, string, string, string, string, string) (delivery.Picture, error) {
	return delivery.Picture{}, nil
}

func (stub) Preview(context.Context, *workspace.Workspace, delivery.Preview) (delivery.Picture, error) {
	return delivery.Picture{}, nil
}

// seller stands for Stripe.
type seller struct{}

func (seller) Subscription(context.Context, string) (state, plan string, holds bool, err error) {
	return "active", "pro", true, nil
}

func (seller) Checkout(context.Context, string, string, string, string) (string, error) {
	return "https://stripe.example/buy", nil
}

func (seller) Portal(context.Context, string, string) (string, error) {
	return "https://stripe.example/portal", nil
}

func (seller) Webhook(context.Context, []byte, string) error { return nil }

// start returns a Manager of a store in memory with the workspace acme.
func start(t *testing.T, change func(*manage.Config)) (*manage.Manager, *workspacetest.Memory) {
	t.Helper()
	db := workspacetest.NewMemory()
	w := workspace.New("acme")
	w.Domains = []string{"img.acme.test"}
	w.Sources = []workspace.Source{
		{Key: "photos", Kind: "http", URL: "https://photos.test/", Headers: map[string]string{"X-Token": "hunter2"}},
		{Key: "spare", Kind: "http", URL: "https://spare.test/"},
	}
	w.Marks = []workspace.Mark{{Name: "brand", Image: "photos/logo.png", AutoApplySources: []string{}}}
	w.Presets = []workspace.Preset{{Name: "thumb", Options: "w=9"}}
	w.Blocks = []workspace.Block{{ID: "block", SHA256: strings.Repeat("0a", 32)}}
	w.SigningKeys = []signing.Key{{ID: "one", Secret: signing.NewSecret(), CreatedAt: time.Now().Add(-time.Hour)}}
	if err := db.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	key := apikey.New(false)
	if err := db.CreateAPIKey(t.Context(), &workspace.APIKey{ID: "k", WorkspaceID: w.ID, Namespace: "acme", Hash: key.Hash(), Scopes: []string{"read"}}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "plans.yaml")
	if err := os.WriteFile(file, []byte("plans: {signup: {limits: {transforms_per_day: 9}, workspaces_per_account: 2}}\nsignup_plan: signup\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plans, err := plan.New(plan.Config{File: file, Records: db})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plans.Put(t.Context(), plan.Plan{Name: "free", Limits: workspace.Limits{TransformsPerDay: 100}}, func(*plan.Plan) workspace.AuditEntry { return workspace.AuditEntry{} }); err != nil {
		t.Fatal(err)
	}
	c := manage.Config{Store: db, Records: db, People: people(t, db, w), Plans: plans, Billing: seller{}, Alerts: alerts(t, db, w), Delivery: stub{}, Images: &stagingImages{Images: managetest.NewImages(t)}}
	if change != nil {
		change(&c)
	}
	return manage.New(c), db
}

// channelID and pendingID are channels of the workspace of start, and code confirms the second.
const channelID, pendingID, code = "ch_hook", "ch_mail", "CODE"

// alerts returns alerts with two channels of w, one of which waits to be confirmed.
func alerts(t *testing.T, db *workspacetest.Memory, w *workspace.Workspace) *alert.Engine {
	t.Helper()
	codec, err := workspace.NewCodec(workspace.NewSecretKey())
	if err != nil {
		t.Fatal(err)
	}
	settings := fmt.Sprintf(`{"channels":[{"id":%q,"kind":"slack","address":"hooks.test","url":%q,"confirmed_at":"2026-01-01T00:00:00Z"},{"id":%q,"kind":"email","address":"new@acme.test"}]}`,
		channelID, codec.Seal(w.ID, "alerts/"+channelID+"/url", "https://hooks.test/acme"), pendingID)
	sum := sha256.Sum256([]byte(code))
	err = db.PutRecords(t.Context(),
		account.Write{Record: account.Record{Group: "alert-settings", Name: w.ID, Data: []byte(settings)}},
		account.Write{Record: account.Record{Group: "alert-confirm", Name: hex.EncodeToString(sum[:]), Data: fmt.Appendf(nil, `{"w":%q,"n":"acme","c":%q,"a":"new@acme.test"}`, w.ID, pendingID)}})
	if err != nil {
		t.Fatal(err)
	}
	return alert.New(alert.Config{
		Store: db, Codec: codec, Keys: db, Get: db.Get, List: db.List, Alone: true,
		Mail: mail.Log{Out: io.Discard}, Transport: taking{}, Log: slog.New(slog.DiscardHandler),
	})
}

// taking is a transport to a receiver that takes all. A real one would be seen as work by tests
// with a clock of their own.
type taking struct{}

func (taking) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

// The IDs of accounts in the workspace of start. annaID is a second owner, so that either
// can go.
const annaID, benID = "acc_ANNA", "acc_BEN"

// people returns people with two owners of w, one of whom is signed in, and an invitation
// with the ID invitation.
func people(t *testing.T, db account.Records, w *workspace.Workspace) *account.People {
	t.Helper()
	config := account.Config{Records: db, Mail: mail.Log{Out: io.Discard}, Signup: account.SignupInvite, Log: slog.New(slog.DiscardHandler)}
	p := account.NewPeople(config)
	config.Records = unlogged{db}
	setUp := account.NewPeople(config)
	for id, email := range map[string]string{annaID: "anna@acme.test", benID: "ben@acme.test"} {
		who := account.Account{ID: id, Email: email}
		if err := setUp.Join(t.Context(), who, w, account.Owner, workspace.AuditEntry{}); err != nil {
			t.Fatal(err)
		}
		record := func(group, name string, data any) account.Write {
			text, err := json.Marshal(data)
			if err != nil {
				t.Fatal(err)
			}
			return account.Write{Record: account.Record{Group: group, Name: name, Data: text}}
		}
		i := account.Invitation{ID: "invitation", Email: "new@acme.test", WorkspaceID: w.ID, Namespace: w.Namespace, Role: account.Viewer, ExpiresAt: time.Now().Add(time.Hour)}
		writes := []account.Write{record("account", id, who), record("account", email, id)}
		if id == annaID {
			name := strings.Repeat("5e", 32)
			s := account.Session{ID: name[:16], AccountID: id, CreatedAt: time.Now(), SeenAt: time.Now()}
			writes = append(writes, record("session", name, s), record("sessions#"+id, name, s), record("invitations#"+w.ID, i.ID, i), record("invited#"+i.Email, i.ID, i))
		}
		if err := db.WriteRecords(t.Context(), writes); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// unlogged is a store that writes nothing to audit logs.
type unlogged struct{ records }

type records interface{ account.Records }

func (u unlogged) WriteRecords(ctx context.Context, writes []account.Write, _ ...workspace.AuditEntry) error {
	return u.records.WriteRecords(ctx, writes)
}

// A useCase calls one method on the workspace acme.
type useCase struct {
	action account.Action
	call   func(m *manage.Manager, ctx context.Context, who manage.Caller) error
}

func discard[T any](_ T, err error) error { return err }

var useCases = map[string]useCase{
	"CreateWorkspace": {account.CreateWorkspace, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.CreateWorkspace(ctx, who, workspace.New("other")))
	}},
	"EnsureWorkspace": {account.CreateWorkspace, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return m.EnsureWorkspace(ctx, who, "other")
	}},
	"ListWorkspaces": {account.ListWorkspaces, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		_, _, err := m.ListWorkspaces(ctx, who, "", 9)
		return err
	}},
	"Workspace": {account.ReadWorkspace, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Workspace(ctx, who, "acme"))
	}},
	"ReplaceWorkspace": {account.UpdateWorkspace, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		w := workspace.New("acme")
		w.Revision, w.Domains = 1, []string{"img.acme.test"}
		return discard(m.ReplaceWorkspace(ctx, who, "acme", w, nil))
	}},
	"PatchWorkspace": {account.UpdateWorkspace, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.PatchWorkspace(ctx, who, "acme", []byte(`{"name":"Acme"}`), nil))
	}},
	"ReviewPatch": {account.UpdateWorkspace, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.ReviewPatch(ctx, who, "acme", []byte(`{"name":"Acme"}`)))
	}},
	"Sources": {account.ReadImages, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		_, _, err := m.Sources(ctx, who, "acme")
		return err
	}},
	"DeleteWorkspace": {account.DeleteWorkspace, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return m.DeleteWorkspace(ctx, who, "acme", 0, nil)
	}},
	"PutSource": {account.WriteSource, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.PutSource(ctx, who, "acme", workspace.Source{Key: "more", Kind: "http", URL: "https://more.test/"}))
	}},
	"Subscription": {account.ReadWorkspace, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Subscription(ctx, who, "acme"))
	}},
	"Checkout": {account.Pay, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Checkout(ctx, who, "acme", "pro"))
	}},
	"BillingPortal": {account.Pay, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.BillingPortal(ctx, who, "acme"))
	}},
	"DeleteSource": {account.WriteSource, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.DeleteSource(ctx, who, "acme", "spare"))
	}},
	"FirstSteps": {account.ReadUsage, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.FirstSteps(ctx, who, "acme"))
	}},
	"LookAtFirst": {account.WriteSource, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.LookAtFirst(ctx, who, "acme", "photos", "cat.jpg"))
	}},
	"HideFirstSteps": {account.UpdateWorkspace, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return m.HideFirstSteps(ctx, who, "acme", true)
	}},
	"TestSource": {account.WriteSource, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.TestSource(ctx, who, "acme", workspace.Source{Key: "more", Kind: "http", URL: "https://more.test/"}, "cat.jpg"))
	}},
	"PutMark": {account.WriteMark, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.PutMark(ctx, who, "acme", workspace.Mark{Name: "more", Image: "photos/more.png"}))
	}},
	"PreviewMark": {account.WriteMark, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.PreviewMark(ctx, who, "acme", workspace.Mark{Name: "more", Image: "photos/more.png"}, manage.MarkPreview{Picture: "photos/cat.jpg", Width: 9}))
	}},
	"DeleteMark": {account.WriteMark, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.DeleteMark(ctx, who, "acme", "brand"))
	}},
	"PutPreset": {account.WritePreset, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.PutPreset(ctx, who, "acme", workspace.Preset{Name: "more", Options: "w=1"}))
	}},
	"DeletePreset": {account.WritePreset, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.DeletePreset(ctx, who, "acme", "thumb"))
	}},
	"CreateAPIKey": {account.WriteAPIKeys, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.CreateAPIKey(ctx, who, "acme", manage.NewAPIKey{Name: "CI", Scopes: []string{"read"}}))
	}},
	"APIKeys": {account.ReadAPIKeys, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.APIKeys(ctx, who, "acme"))
	}},
	"RevokeAPIKey": {account.WriteAPIKeys, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return m.RevokeAPIKey(ctx, who, "acme", "k")
	}},
	"RevokeAPIKeys": {account.WriteAPIKeys, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.RevokeAPIKeys(ctx, who, "acme"))
	}},
	"CreateSigningKey": {account.WriteSigningKeys, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.CreateSigningKey(ctx, who, "acme"))
	}},
	"CreateDialectKey": {account.WriteSigningKeys, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		_, _, err := m.CreateDialectKey(ctx, who, "acme", manage.NewDialectKey{Dialect: "thumbor", Secret: "secret"})
		return err
	}},
	"SigningKeys": {account.ReadSigningKeys, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.SigningKeys(ctx, who, "acme"))
	}},
	"DeleteSigningKey": {account.WriteSigningKeys, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return m.DeleteSigningKey(ctx, who, "acme", "one")
	}},
	"SignURL": {account.Sign, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		_, _, err := m.SignURL(ctx, who, "acme", "/acme/photos/cat.jpg", 0)
		return err
	}},
	"SignURLs": {account.Sign, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		_, _, err := m.SignURLs(ctx, who, "acme", []string{"/acme/photos/cat.jpg", "/acme/photos/dog.jpg?w=9"}, 0)
		return err
	}},
	"Domains": {account.ReadDomains, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Domains(ctx, who, "acme"))
	}},
	"VerifyDomain": {account.VerifyDomain, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.VerifyDomain(ctx, who, "acme", "img.acme.test"))
	}},
	"Purge": {account.Purge, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Purge(ctx, who, "acme", manage.PurgeRequest{All: true}))
	}},
	"Usage": {account.ReadUsage, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Usage(ctx, who, "acme", time.Time{}, time.Time{}))
	}},
	"Quotas": {account.ReadUsage, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		_, _, err := m.Quotas(ctx, who, "acme")
		return err
	}},
	"Audit": {account.ReadAudit, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Audit(ctx, who, "acme", "", workspace.TrailChanges, "", 9))
	}},
	"CompareUsage": {account.ReadUsage, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		day := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
		_, _, err := m.CompareUsage(ctx, who, "acme", day, day, 7)
		return err
	}},
	"ImageErrors": {account.ReadErrors, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.ImageErrors(ctx, who, "acme", manage.ErrorFilter{}))
	}},
	"TotalUsage": {account.ReadUsage, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.TotalUsage(ctx, who, "acme", time.Time{}, time.Time{}))
	}},
	"SearchAudit": {account.ReadAudit, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.SearchAudit(ctx, who, "acme", workspace.TrailChanges, manage.AuditFilter{Action: "x"}, "", 9))
	}},
	"OperatorAudit": {account.ReadOperatorLog, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.OperatorAudit(ctx, who, workspace.TrailAccess, "", 9))
	}},
	"ReadUpload": {account.WriteImages, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.ReadUpload(ctx, who, "acme", strings.NewReader("image"), 5, func() {}))
	}},
	"Upload": {account.WriteImages, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Upload(ctx, who, "acme", manage.UploadRequest{Source: "photos", Path: "new.jpg"}, &manage.UploadedBytes{Body: []byte("image")}))
	}},
	"Images": {account.ReadImages, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Images(ctx, who, "acme", "photos", "", "/", "", 9))
	}},
	"ImageSources": {account.ReadImages, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		_, _, err := m.ImageSources(ctx, who, "acme")
		return err
	}},
	"Thumbnail": {account.PreviewImages, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Thumbnail(ctx, who, "acme", "photos", "a.jpg", true, ""))
	}},
	"Image": {account.ReadImages, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Image(ctx, who, "acme", "photos", "a.jpg"))
	}},
	"DeleteImage": {account.WriteImages, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return m.DeleteImage(ctx, who, "acme", "photos", "a.jpg")
	}},
	"SignImage": {account.Sign, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		_, _, err := m.SignImage(ctx, who, "acme", "photos", "a.jpg", "w=9", 60)
		return err
	}},
	"BlockImage": {account.WriteImages, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.BlockImage(ctx, who, "acme", manage.NewBlock{Path: "photos/a.jpg", Reason: "a request"}))
	}},
	"UploadURL": {account.WriteImages, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.UploadURL(ctx, who, "acme", manage.NewUploadURL{Source: "photos", Path: "a.jpg", ContentType: "image/jpeg", Bytes: 9}))
	}},
	"CompleteUpload": {account.WriteImages, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.CompleteUpload(ctx, who, "acme", manage.CompleteUpload{Source: "photos", Path: "new.jpg", UploadID: "x"}))
	}},
	"Blocks": {account.ReadImages, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Blocks(ctx, who, "acme"))
	}},
	"UnblockImage": {account.WriteImages, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return m.UnblockImage(ctx, who, "acme", "block")
	}},
	"Members": {account.ReadMembers, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Members(ctx, who, "acme"))
	}},
	"Invite": {account.WriteMembers, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Invite(ctx, who, "acme", "another@acme.test", account.Viewer))
	}},
	"Uninvite": {account.WriteMembers, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return m.Uninvite(ctx, who, "acme", "invitation")
	}},
	"SetRole": {account.WriteMembers, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.SetRole(ctx, who, "acme", benID, account.Viewer))
	}},
	"RemoveMember": {account.WriteMembers, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.RemoveMember(ctx, who, "acme", benID, true))
	}},
	"Accounts": {account.ManageAccounts, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		_, _, err := m.Accounts(ctx, who, "", 9)
		return err
	}},
	"MakeAccount": {account.ManageAccounts, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.MakeAccount(ctx, who, "another@acme.test"))
	}},
	"AccountSessions": {account.ManageAccounts, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.AccountSessions(ctx, who, annaID))
	}},
	"EndAccountSessions": {account.ManageAccounts, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.EndAccountSessions(ctx, who, annaID, ""))
	}},
	"RemovePasskeys": {account.ManageAccounts, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.RemovePasskeys(ctx, who, annaID))
	}},
	"Making": {account.MakeWorkspace, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Making(ctx, who, account.Account{ID: annaID, Email: "anna@acme.test"}))
	}},
	"CreateOwned": {account.MakeWorkspace, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.CreateOwned(ctx, who, account.Account{ID: annaID, Email: "anna@acme.test"}, "another"))
	}},
	"FreeName": {account.MakeWorkspace, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.FreeName(ctx, who, "acme"))
	}},
	"Plans": {account.ReadPlans, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Plans(ctx, who))
	}},
	"PlanNamed": {account.ReadPlans, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.PlanNamed(ctx, who, "free"))
	}},
	"PutPlan": {account.WritePlans, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.PutPlan(ctx, who, "pro", plan.Plan{}))
	}},
	"DeletePlan": {account.WritePlans, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return m.DeletePlan(ctx, who, "free")
	}},
	"Alerts": {account.ReadAlerts, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Alerts(ctx, who, "acme"))
	}},
	"ActiveAlerts": {account.ReadAlerts, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.ActiveAlerts(ctx, who, "acme"))
	}},
	"AlertHistory": {account.ReadAlerts, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		_, _, err := m.AlertHistory(ctx, who, "acme", "", 9)
		return err
	}},
	"SetAlertRule": {account.WriteAlerts, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return m.SetAlertRule(ctx, who, "acme", alert.KeyRate, alert.Settings{Threshold: 500})
	}},
	"AddAlertChannel": {account.WriteAlerts, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		_, _, err := m.AddAlertChannel(ctx, who, "acme", alert.NewChannel{Kind: alert.Webhook, URL: "https://hooks.test/"})
		return err
	}},
	"SwitchAlertChannel": {account.WriteAlerts, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.SwitchAlertChannel(ctx, who, "acme", channelID, false))
	}},
	"RemoveAlertChannel": {account.WriteAlerts, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return m.RemoveAlertChannel(ctx, who, "acme", channelID)
	}},
	"TestAlertChannel": {account.WriteAlerts, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		failure, err := m.TestAlertChannel(ctx, who, "acme", channelID)
		if failure != "" {
			return errors.New(failure)
		}
		return err
	}},
	"ResendAlertConfirmation": {account.WriteAlerts, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return m.ResendAlertConfirmation(ctx, who, "acme", pendingID)
	}},
	"ConfirmAlertChannel": {account.WriteAlerts, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return m.ConfirmAlertChannel(ctx, who, "acme", pendingID, code)
	}},
	"Explain": {account.Explain, func(m *manage.Manager, ctx context.Context, who manage.Caller) error {
		return discard(m.Explain(ctx, who, "acme", "/acme/photos/cat.jpg", "", ""))
	}},
}

// found is a manage.Resolver that has every record.
type found struct{ id *string }

func (f found) LookupTXT(_ context.Context, name string) ([]string, error) {
	domain := strings.TrimSuffix(strings.TrimPrefix(name, workspace.ChallengeName("")), ".")
	return []string{workspace.Challenge(domain, *f.id)}, nil
}

// TestRights calls every method with every kind of caller, each on its own store.
func TestRights(t *testing.T) {
	for name, use := range useCases {
		right := use.action.Right()
		anybody, anyKey := right.Role == account.SignedIn, right.Scope == account.AnyKey
		key := func(namespace string, scopes ...apikey.Scope) manage.Caller {
			return manage.Caller{Principal: apikey.Principal{Kind: apikey.Key, KeyID: "k", Namespace: namespace, Scopes: scopes}}
		}
		person := func(namespace string, role account.Role) manage.Caller {
			return manage.Caller{Principal: apikey.Principal{Kind: apikey.Person, Email: "anna@acme.test", Namespace: namespace}, Role: role}
		}
		for _, c := range []struct {
			caller  string
			who     manage.Caller
			allowed bool
		}{
			{"root", manage.Caller{Principal: apikey.Principal{Kind: apikey.Root}}, true},
			{"operator", manage.Operator, true},
			{"reader", key("acme", apikey.Read), anyKey || right.Scope == apikey.Read},
			{"writer", key("acme", apikey.Write), anyKey || right.Scope == apikey.Write},
			{"admin key", key("acme", apikey.Admin), right.Scope != ""},
			{"other", key("globex", apikey.Read, apikey.Write, apikey.Admin), anyKey},
			{"nobody", manage.Caller{}, false},
			{"person without a workspace", person("", ""), anybody},
			{"viewer", person("acme", account.Viewer), anybody || right.Role == account.Viewer},
			{"editor", person("acme", account.Editor), anybody || right.Role == account.Viewer || right.Role == account.Editor},
			{"owner", person("acme", account.Owner), right.Role != account.Operator},
			{"owner of another", person("globex", account.Owner), anybody},
			{"operator who signed in", person("", account.Operator), true},
		} {
			var id string
			m, db := start(t, func(c *manage.Config) { c.Resolver = found{&id} })
			acme, err := db.Get(t.Context(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			id = acme.ID
			if c.who.Namespace == "acme" {
				c.who.WorkspaceID = id
			}
			err = use.call(m, t.Context(), c.who)
			if c.allowed && err != nil || !c.allowed && (err == nil || fault.OfManaging(err).Code != fault.Forbidden) {
				t.Errorf("%s by %s: %v, want allowed: %t", name, c.caller, err, c.allowed)
			}
			now, err := db.Get(t.Context(), "acme")
			if !c.allowed && (err != nil || !reflect.DeepEqual(acme, now)) {
				t.Errorf("%s by %s changed the workspace: %v", name, c.caller, err)
			}
		}
	}
}

// interrupted is a store with another writer, which writes just before each of the first
// writes.
type interrupted struct {
	*workspacetest.Memory
	times int
}

func (s *interrupted) Update(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	if s.times > 0 {
		s.times--
		other, err := s.Get(ctx, w.Namespace)
		if err != nil {
			return err
		}
		other = other.Clone()
		other.Name += "x"
		if err := s.Memory.Update(ctx, other); err != nil {
			return err
		}
	}
	return s.Memory.Update(ctx, w, audit...)
}

// TestStartsOver changes a workspace while another writer does. The result has both
// changes, and the audit log has one line of ours.
func TestStartsOver(t *testing.T) {
	for _, name := range []string{"PatchWorkspace", "PutSource", "DeleteSource", "PutMark", "DeleteMark", "PutPreset", "DeletePreset", "CreateSigningKey", "DeleteSigningKey"} {
		var s *interrupted
		m, db := start(t, func(c *manage.Config) {
			s = &interrupted{c.Store.(*workspacetest.Memory), 3}
			c.Store = s
		})
		patched := "xxx"
		if name == "PatchWorkspace" {
			patched = "Acme" // the patch replaces the name
		}
		if err := useCases[name].call(m, t.Context(), manage.Operator); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		w, err := db.Get(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		log, err := db.Audit(t.Context(), w.ID, workspace.TrailChanges, "", 9)
		if w.Name != patched || w.Revision != 5 || w.Sources[0].Headers["X-Token"] != "hunter2" || err != nil || len(log) != 1 || log[0].Actor != "operator" {
			t.Errorf("%s: %q in revision %d, log %+v, %v", name, w.Name, w.Revision, log, err)
		}
	}
	// With a revision or a condition, the edit fails instead of starting over.
	for name, call := range map[string]func(m *manage.Manager) error{
		"ReplaceWorkspace": func(m *manage.Manager) error {
			return useCases["ReplaceWorkspace"].call(m, t.Context(), manage.Operator)
		},
		"PatchWorkspace": func(m *manage.Manager) error {
			return discard(m.PatchWorkspace(t.Context(), manage.Operator, "acme", []byte(`{"revision":1,"https_only":true}`), nil))
		},
		"PatchWorkspace on a condition": func(m *manage.Manager) error {
			return discard(m.PatchWorkspace(t.Context(), manage.Operator, "acme", []byte(`{"https_only":true}`), func(revision int64) bool { return revision < 9 }))
		},
	} {
		m, _ := start(t, func(c *manage.Config) { c.Store = &interrupted{c.Store.(*workspacetest.Memory), 1} })
		if err := call(m); !errors.Is(err, workspace.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWritesAreCompiled: every write of settings refuses a workspace that can't be served,
// and stores nothing.
func TestWritesAreCompiled(t *testing.T) {
	for _, name := range []string{"CreateWorkspace", "EnsureWorkspace", "ReplaceWorkspace", "PatchWorkspace", "PutSource", "DeleteSource", "PutMark", "DeleteMark", "PutPreset", "DeletePreset"} {
		m, db := start(t, func(c *manage.Config) {
			c.Delivery = stub{check: func(*workspace.Workspace) error { return errors.New("preset thumb: no") }}
		})
		err := useCases[name].call(m, t.Context(), manage.Operator)
		if e := fault.OfManaging(err); e.Code != fault.Validation || !strings.Contains(e.Message, "can't be served: preset thumb: no.") {
			t.Errorf("%s: %v", name, err)
		}
		if w, err := db.Get(t.Context(), "acme"); err != nil || w.Revision != 1 {
			t.Errorf("%s: %v, %v", name, w, err)
		}
		if _, err := db.Get(t.Context(), "other"); !errors.Is(err, workspace.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSecretsAreMasked: no method returns a secret of a source. What it returns can be
// written back.
func TestSecretsAreMasked(t *testing.T) {
	m, db := start(t, nil)
	w, err := m.Workspace(t.Context(), manage.Operator, "acme")
	if err != nil {
		t.Fatal(err)
	}
	if w.Sources[0].Headers["X-Token"] != workspace.Mask || len(w.SigningKeys) > 0 {
		t.Errorf("%+v", w)
	}
	if w, err = m.PutSource(t.Context(), manage.Operator, "acme", w.Sources[0]); err != nil || w.Sources[0].Headers["X-Token"] != workspace.Mask {
		t.Errorf("%+v, %v", w, err)
	}
	if w, err = m.ReplaceWorkspace(t.Context(), manage.Operator, "acme", w, nil); err != nil || w.Revision != 1 {
		t.Errorf("%+v, %v", w, err)
	}
	w.Sources[0].URL = "https://evil.test/"
	if _, err := m.PutSource(t.Context(), manage.Operator, "acme", w.Sources[0]); err == nil || !strings.Contains(err.Error(), "given again") {
		t.Errorf("a secret that would go elsewhere: %v", err)
	}
	stored, err := db.Get(t.Context(), "acme")
	if err != nil || stored.Sources[0].Headers["X-Token"] != "hunter2" || len(stored.SigningKeys) != 1 {
		t.Errorf("%+v, %v", stored, err)
	}
}
