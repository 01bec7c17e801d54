package secretref_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tintype/tintype/secretref"
)

const hidden = "hunter2-hunter2-hunter2"

// A want is a reference, and its secret or what the error says.
type want struct{ ref, secret, err string }

func check(t *testing.T, cases ...want) {
	t.Helper()
	for _, c := range cases {
		got, err := secretref.Read(t.Context(), c.ref)
		switch {
		case c.err == "":
			if got != c.secret || err != nil {
				t.Errorf("%s: %q, %v; want %q", c.ref, got, err, c.secret)
			}
		case got != "" || err == nil || !strings.Contains(err.Error(), c.err) || !strings.HasPrefix(err.Error(), c.ref+": "):
			t.Errorf("%s: %q, %v; want %q", c.ref, got, err, c.err)
		case strings.Contains(err.Error(), hidden):
			t.Errorf("%s: the error holds the secret: %v", c.ref, err)
		}
	}
}

func TestIs(t *testing.T) {
	for text, want := range map[string]bool{
		"file:/run/secrets/key": true, "aws-sm:prod/tintype#root": true, "gcp-sm:projects/p/secrets/s": true, "vault:secret/data/t#k": true,
		"": false, "file": false, "FILE:/x": false, " file:/x": false, "https://example.com": false, hidden: false,
	} {
		if secretref.Is(text) != want {
			t.Errorf("Is(%q) is not %v", text, want)
		}
	}
	if _, err := secretref.Read(t.Context(), hidden); err == nil || strings.Contains(err.Error(), hidden) {
		t.Error(err)
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file:" + path
	}
	check(t,
		want{ref: write("a", hidden+"\n"), secret: hidden},
		want{ref: write("a#b", hidden), secret: hidden},
		want{ref: write("again", "file:"+dir+"/a"), secret: "file:" + dir + "/a"}, // no reference within
		want{ref: write("empty", " \n"), err: "it is empty"},
		want{ref: write("large", strings.Repeat("x", 2<<20)), err: "more than 1 MiB"},
		want{ref: "file:" + dir + "/none", err: "no such file or directory: let this process read the file"},
		want{ref: "file:", err: "it names nothing: write it as file:PATH"},
	)
}

// answer writes an answer as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// TestAWS reads from a server that speaks the API of AWS Secrets Manager.
func TestAWS(t *testing.T) {
	secrets := map[string]any{
		"prod/tintype": map[string]string{"SecretString": `{"root":"` + hidden + `","n":12,"o":{}}`},
		"plain":        map[string]string{"SecretString": hidden},
		"bytes":        map[string]string{"SecretBinary": base64.StdEncoding.EncodeToString([]byte(hidden))},
		"arn:aws:secretsmanager:eu-north-1:123456789012:secret:there-AbCdEf": map[string]string{"SecretString": "of " + hidden},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ SecretId string }
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		region := "eu-west-1"
		if json.NewDecoder(r.Body).Decode(&in); strings.HasPrefix(in.SecretId, "arn:") {
			region = "eu-north-1"
		}
		signed := strings.Contains(r.Header.Get("Authorization"), "/"+region+"/secretsmanager/aws4_request")
		switch out, ok := secrets[in.SecretId]; {
		case r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" || !signed:
			answer(w, 400, map[string]string{"__type": "InvalidRequestException", "message": "not so"})
		case in.SecretId == "locked":
			answer(w, 400, map[string]string{"__type": "AccessDeniedException", "message": "no"})
		case in.SecretId == "odd":
			answer(w, 400, map[string]string{"__type": "DecryptionFailure", "message": "the key is disabled"})
		case ok:
			answer(w, 200, out)
		default:
			answer(w, 400, map[string]string{"__type": "ResourceNotFoundException", "message": "no"})
		}
	}))
	defer server.Close()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_REGION": "eu-west-1", "AWS_MAX_ATTEMPTS": "1",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	check(t,
		want{ref: "aws-sm:prod/tintype#root", secret: hidden},
		want{ref: "aws-sm:plain", secret: hidden},
		want{ref: "aws-sm:bytes", secret: hidden},
		want{ref: "aws-sm:arn:aws:secretsmanager:eu-north-1:123456789012:secret:there-AbCdEf", secret: "of " + hidden},
		want{ref: "aws-sm:prod/tintype#other", err: "the secret has no field other: name one that it has after the #"},
		want{ref: "aws-sm:prod/tintype#n", err: "field n is a number: store it as a text"},
		want{ref: "aws-sm:prod/tintype#o", err: "field o is no text"},
		want{ref: "aws-sm:plain#root", err: "the secret is no JSON object, so it has no field root"},
		want{ref: "aws-sm:none", err: "in eu-west-1 has no such secret: check its name, and AWS_REGION"},
		want{ref: "aws-sm:locked", err: "allow secretsmanager:GetSecretValue"},
		want{ref: "aws-sm:odd", err: "answered DecryptionFailure: the key is disabled"},
		want{ref: "aws-sm:#root", err: "it names nothing"},
	)
	t.Setenv("AWS_REGION", "")
	check(t, want{ref: "aws-sm:plain", err: "set AWS_REGION"})
	t.Setenv("AWS_REGION", "eu-west-1")
	server.Close()
	check(t, want{ref: "aws-sm:plain", err: "can't be asked; check the credentials"})
}

// TestGCP reads from a server that speaks the API of Secret Manager, with a token of a metadata
// server.
func TestGCP(t *testing.T) {
	machine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		if strings.HasSuffix(r.URL.Path, "/service-accounts/default/token") && r.Header.Get("Metadata-Flavor") == "Google" {
			answer(w, 200, map[string]any{"access_token": "the-token", "expires_in": 3600, "token_type": "Bearer"})
			return
		}
		http.NotFound(w, r)
	}))
	defer machine.Close()
	sum := fmt.Sprint(crc32.Checksum([]byte(hidden), crc32.MakeTable(crc32.Castagnoli)))
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		payload := func(text, sum string) {
			answer(w, 200, map[string]any{"payload": map[string]string{"data": base64.StdEncoding.EncodeToString([]byte(text)), "dataCrc32c": sum}})
		}
		if r.Header.Get("Authorization") != "Bearer the-token" {
			answer(w, 401, nil)
			return
		}
		switch r.URL.Path {
		case "/v1/projects/p/secrets/root/versions/latest:access":
			payload(hidden, sum)
		case "/v1/projects/p/secrets/root/versions/3:access":
			payload(`{"root":"third of `+hidden+`"}`, "")
		case "/v1/projects/p/secrets/damaged/versions/latest:access":
			payload(hidden+"!", sum)
		case "/v1/projects/p/secrets/locked/versions/latest:access":
			answer(w, 403, nil)
		case "/v1/projects/p/secrets/elsewhere/versions/latest:access":
			http.Redirect(w, r, "/v1/projects/p/secrets/root/versions/latest:access", http.StatusFound)
		case "/v1/projects/p/secrets/odd/versions/latest:access":
			_, _ = w.Write([]byte("<html>"))
		default:
			answer(w, 404, nil)
		}
	}))
	defer service.Close()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(machine.URL, "http://"))
	t.Setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", service.URL+"/")
	check(t,
		want{ref: "gcp-sm:projects/p/secrets/root", secret: hidden},
		want{ref: "gcp-sm:projects/p/secrets/root/versions/3#root", secret: "third of " + hidden},
		want{ref: "gcp-sm:projects/p/secrets/damaged", err: "is damaged: try again"},
		want{ref: "gcp-sm:projects/p/secrets/none", err: "no such secret or version"},
		want{ref: "gcp-sm:projects/p/secrets/locked", err: "roles/secretmanager.secretAccessor"},
		want{ref: "gcp-sm:projects/p/secrets/elsewhere", err: "answered 302"},
		want{ref: "gcp-sm:projects/p/secrets/odd", err: "not that of Secret Manager"},
		want{ref: "gcp-sm:root", err: "name it as projects/PROJECT/secrets/NAME"},
	)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none.json"))
	check(t, want{ref: "gcp-sm:projects/p/secrets/root", err: "there are no credentials of Google Cloud"})
}

// TestVault reads from a server that speaks the API of Vault, over TLS with its own authority.
func TestVault(t *testing.T) {
	sealed := false
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case sealed:
			answer(w, 503, map[string]any{"errors": []string{"Vault is sealed"}})
		case r.Header.Get("X-Vault-Token") != "the-token" || r.Header.Get("X-Vault-Namespace") != "team" || r.Header.Get("X-Vault-Request") != "true":
			answer(w, 403, map[string]any{"errors": []string{"permission denied"}})
		case r.URL.Path == "/v1/secret/data/tintype": // version 2
			answer(w, 200, map[string]any{"data": map[string]any{"data": map[string]any{"root": hidden, "n": 1}, "metadata": map[string]any{"version": 3}}})
		case r.URL.Path == "/v1/kv/tintype": // version 1, with a field named data
			answer(w, 200, map[string]any{"data": map[string]any{"root": "first " + hidden, "data": "text"}})
		case r.URL.Path == "/v1/odd":
			answer(w, 200, "odd")
		default:
			answer(w, 404, map[string]any{"errors": []string{}})
		}
	}))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VAULT_ADDR", server.URL)
	t.Setenv("VAULT_TOKEN", "the-token")
	t.Setenv("VAULT_NAMESPACE", "team")
	t.Setenv("VAULT_CACERT", ca)
	t.Setenv("HOME", t.TempDir())
	check(t,
		want{ref: "vault:secret/data/tintype#root", secret: hidden},
		want{ref: "vault:/secret/data/tintype#root", secret: hidden},
		want{ref: "vault:kv/tintype#root", secret: "first " + hidden},
		want{ref: "vault:kv/tintype#data", secret: "text"},
		want{ref: "vault:secret/data/tintype#other", err: "the secret has no field other"},
		want{ref: "vault:secret/data/tintype#n", err: "field n is a number"},
		want{ref: "vault:secret/data/tintype", err: "say which field: vault:PATH#FIELD"},
		want{ref: "vault:secret/tintype#root", err: "a KV engine of version 2 has data/ after its mount"},
		want{ref: "vault:secret/../sys/x#root", err: "the path is no path of Vault"},
		want{ref: "vault:odd#root", err: "not that of Vault"},
	)
	sealed = true
	check(t, want{ref: "vault:kv/tintype#root", err: "the vault is sealed: unseal it"})
	sealed = false
	t.Setenv("VAULT_TOKEN", "another")
	check(t, want{ref: "vault:kv/tintype#root", err: "VAULT_TOKEN must be valid"})
	t.Setenv("VAULT_TOKEN", "")
	check(t, want{ref: "vault:kv/tintype#root", err: "set VAULT_TOKEN"})
	home, _ := os.UserHomeDir()
	if err := os.WriteFile(filepath.Join(home, ".vault-token"), []byte("the-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, want{ref: "vault:kv/tintype#root", secret: "first " + hidden})
	t.Setenv("VAULT_CACERT", "")
	check(t, want{ref: "vault:kv/tintype#root", err: "the Vault server can't be asked: check VAULT_ADDR and the network"})
	t.Setenv("VAULT_CACERT", "/dev/null")
	check(t, want{ref: "vault:kv/tintype#root", err: "holds no certificate"})
	t.Setenv("VAULT_ADDR", "vault.example.com")
	check(t, want{ref: "vault:kv/tintype#root", err: "set VAULT_ADDR to the URL of Vault"})
}
