package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tintype/tintype/geoip/geoiptest"
	"github.com/tintype/tintype/internal/letterbox"
	"github.com/tintype/tintype/webhook"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/sqlite"
)

// mailing are the flags of a server that tells its operator of what is wrong with it.
func mailing(address string) []string {
	return []string{"--mail", "smtp://" + address, "--public-url", "http://localhost:8080", "--operators", "ops@tintype.test", "--alerts-every", "200ms"}
}

// aged makes a data folder whose workspace is some days old, and returns the folder.
func aged(t *testing.T, namespace, secretKey string, days int) (data string) {
	t.Helper()
	data = t.TempDir()
	codec, err := workspace.NewCodec(secretKey)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(data, "tintype.db")
	s, err := sqlite.Open(path, codec)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Create(t.Context(), workspace.New(namespace)), s.Close()); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().UTC().AddDate(0, 0, -days).Format(time.RFC3339)
	_, err = db.ExecContext(t.Context(), `UPDATE workspaces SET created_at = ?, json = json_set(json, '$.workspace.created_at', ?)`, at, at)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return data
}

// TestAlerts: on the whole server, each condition that owners ask for most comes about, and the
// mail and the webhook of it arrive: errors above 10 % in 5 minutes, over 100 requests of a key
// in an hour, 80 % of the daily quota, a refused key, another country, other hours, and many more
// requests than usual.
func TestAlerts(t *testing.T) {
	t.Parallel() // it waits
	box := letterbox.Start(t, "127.0.0.1:0")

	var mu sync.Mutex
	var secret string
	got := map[string]string{} // message by rule
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		key, err := webhook.ParseSecret(secret)
		at, _ := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
		if err != nil || r.Header.Get("webhook-signature") != webhook.Sign(key, r.Header.Get("webhook-id"), time.Unix(at, 0), body) {
			t.Errorf("a bad signature: %v, %v", r.Header, err)
		}
		var is struct {
			Type string
			Data struct{ Workspace, Rule, Message string }
		}
		if err := json.Unmarshal(body, &is); err != nil || is.Data.Workspace != "acme" {
			t.Errorf("%s: %v", body, err)
		}
		got[is.Data.Rule] = is.Data.Message
	}))
	t.Cleanup(hook.Close)
	told := func(rule string) (message string) { // waits, since each channel is told in its own time
		for end := time.Now().Add(patience); message == "" && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			mu.Lock()
			message = got[rule]
			mu.Unlock()
		}
		return message
	}

	pictures, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	root := strings.Repeat("0123456789abcdef", 2)
	secretKey := workspace.NewSecretKey()
	url := startServing(t, map[string]string{"TINTYPE_ROOT_KEY": root, "TINTYPE_SECRET_KEY": secretKey}, append(mailing(box.Address),
		"--data", aged(t, "acme", secretKey, 2), "--dir", "acme/photos="+pictures, "--allow-cidr", "127.0.0.0/8", "--trusted-proxies", "127.0.0.0/8",
		"--geoip", geoiptest.Write(t, map[string]string{"192.0.2.0/24": "DE", "198.51.100.0/24": "FR"}))...)
	call := func(key, from, method, path, body string, into any) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		if from != "" {
			req.Header.Set("X-Forwarded-For", from)
		}
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err == nil && into != nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatalf("%s %s: %d %s: %v", method, path, res.StatusCode, text, err)
		}
		return res.StatusCode
	}
	var channel struct{ ID, Secret string }
	if status := call(root, "", "POST", "/v1/workspaces/acme/alerts/channels", fmt.Sprintf(`{"kind":"webhook","url":%q}`, hook.URL+"/hook"), &channel); status != 201 {
		t.Fatal(status)
	}
	mu.Lock()
	secret = channel.Secret
	mu.Unlock()
	if status := call(root, "", "POST", "/v1/workspaces/acme/alerts/channels", `{"kind":"email","email":"ops@acme.test"}`, &channel); status != 201 {
		t.Fatal(status)
	}
	asked := box.Find(t, "Confirm that you want alerts")
	code := regexp.MustCompile(`page of alerts is (\w+)`).FindStringSubmatch(asked)
	if code == nil || !strings.Contains(asked, "http://localhost:8080/app/me/alerts?token=") {
		t.Fatal(asked)
	}
	if status := call(root, "", "POST", "/v1/workspaces/acme/alerts/channels/"+channel.ID+"/confirm", fmt.Sprintf(`{"code":%q}`, code[1]), nil); status != 204 {
		t.Fatal(status)
	}
	var tested struct{ Delivered bool }
	if call(root, "", "POST", "/v1/workspaces/acme/alerts/channels/"+channel.ID+"/test", "", &tested); !tested.Delivered {
		t.Fatal("the test didn't arrive")
	}
	hour := time.Now().UTC().Hour()
	hours := fmt.Sprintf(`{"on":true,"from":"%02d:00","to":"%02d:00"}`, (hour+8)%24, (hour+9)%24)
	if status := call(root, "", "PUT", "/v1/workspaces/acme/alerts/rules/key_hours", hours, nil); status != 200 {
		t.Fatal(status)
	}
	if status := call(root, "", "PATCH", "/v1/workspaces/acme", `{"limits":{"transforms_per_day":10}}`, nil); status != 200 {
		t.Fatal(status)
	}
	var key struct{ Key string }
	if status := call(root, "", "POST", "/v1/workspaces/acme/api-keys", `{"name":"reader","scopes":["read"]}`, &key); status != 201 {
		t.Fatal(status)
	}

	for i := range 8 {
		if status := call("", "", "GET", fmt.Sprintf("/acme/photos/dusk.jpg?w=%d", 20+i), "", nil); status != 200 {
			t.Fatal(status)
		}
	}
	for i := range 12 {
		call("", "", "GET", fmt.Sprintf("/acme/photos/missing-%d.jpg", i), "", nil)
	}
	if status := call(key.Key, "192.0.2.7", "DELETE", "/v1/workspaces/acme/presets/none", "", nil); status != 403 {
		t.Fatal(status)
	}
	box.Find(t, "failed in the last 5 minutes")          // which the many below would hide
	for asked := -1; asked != time.Now().UTC().Hour(); { // all within one hour of the clock
		asked = time.Now().UTC().Hour()
		for range 1001 {
			if status := call("", "", "GET", "/acme/photos/dusk.jpg?w=20", "", nil); status != 200 {
				t.Fatal(status)
			}
		}
	}
	box.Find(t, "was refused (403)") // so that its country is known before the next one is
	for i := range 101 {             // 100 a minute are answered
		if status := call(key.Key, "198.51.100.7", "GET", "/v1/workspaces/acme/usage", "", nil); status != 200 && i < 99 {
			t.Fatal(status)
		}
	}

	for rule, says := range map[string]string{
		"error_rate": " of the requests for images failed in the last 5 minutes", "quota": "of the transforms of this day are used",
		"key_rate": " requests within an hour.", "denied": " was refused (403): DELETE /v1/workspaces/acme/presets/none, from 192.0.2.7.",
		"spike":     " requests in this hour; the busiest same hour of the last 7 days had under 100.",
		"key_place": " was used from FR, where it was not seen before.", "key_hours": "outside the hours that you set.",
	} {
		box.Find(t, says)
		if message := told(rule); !strings.Contains(message, says) {
			t.Errorf("%s: the webhook said %q", rule, message)
		}
	}
	var all struct {
		Active  []struct{ Rule string }
		History []struct{ Rule string }
	}
	if call(root, "", "GET", "/v1/workspaces/acme/alerts", "", &all); len(all.Active) != 7 || len(all.History) != 7 {
		t.Errorf("%+v", all)
	}
}
