package secretref

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Vault's client brings 20 modules for one GET, so the call is plain HTTPS. The variables are
// those of Vault's command line.

// readVault reads a field of a secret of Vault or OpenBao, at the path of its HTTP API. Of a KV
// engine of version 2, whose paths have data/ after the mount, the fields are those of the
// secret.
func readVault(ctx context.Context, name, field string) (string, error) {
	if field == "" {
		return "", errors.New("say which field: vault:PATH#FIELD")
	}
	base, err := url.Parse(os.Getenv("VAULT_ADDR"))
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" {
		return "", errors.New("set VAULT_ADDR to the URL of Vault, such as https://vault.example.com:8200")
	}
	token, err := vaultToken()
	if err != nil {
		return "", err
	}
	header := http.Header{"X-Vault-Token": {token}, "X-Vault-Request": {"true"}}
	if ns := os.Getenv("VAULT_NAMESPACE"); ns != "" {
		header.Set("X-Vault-Namespace", ns)
	}
	client, err := vaultClient()
	if err != nil {
		return "", err
	}
	name = strings.Trim(name, "/")
	if strings.Contains(name, "..") || name != path.Clean(name) {
		return "", errors.New("the path is no path of Vault: write it as secret/data/tintype")
	}
	where := base.JoinPath("v1", name)
	body, err := get(ctx, client, where.String(), header)
	if err != nil {
		return "", vaultError(err)
	}
	var out struct {
		Data map[string]any `json:"data"`
	}
	if json.Unmarshal(body, &out) != nil || out.Data == nil {
		return "", errors.New("the answer is not that of Vault: check VAULT_ADDR")
	}
	inner, isMap := out.Data["data"].(map[string]any)
	_, hasMetadata := out.Data["metadata"].(map[string]any)
	if isMap && hasMetadata {
		return text(inner, field)
	}
	return text(out.Data, field)
}

// vaultToken returns the token of VAULT_TOKEN, or of the file in which vault login keeps it.
func vaultToken() (string, error) {
	token := os.Getenv("VAULT_TOKEN")
	if token == "" {
		if home, err := os.UserHomeDir(); err == nil {
			b, _ := os.ReadFile(filepath.Join(home, ".vault-token"))
			token = string(b)
		}
	}
	if token = strings.TrimSpace(token); token == "" {
		return "", errors.New("set VAULT_TOKEN to a token that may read the path")
	}
	if strings.ContainsAny(token, "\r\n") {
		return "", errors.New("VAULT_TOKEN has a line break in it: set it to the token alone")
	}
	return token, nil
}

// vaultClient trusts the authorities of VAULT_CACERT, where that is set.
func vaultClient() (*http.Client, error) {
	file := os.Getenv("VAULT_CACERT")
	if file == "" {
		return http.DefaultClient, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("VAULT_CACERT: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("VAULT_CACERT: %s holds no certificate in PEM", file)
	}
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true,
	}}, nil
}

func vaultError(err error) error {
	e, ok := errors.AsType[*statusError](err)
	if !ok {
		return fmt.Errorf("the Vault server can't be asked: check VAULT_ADDR and the network: %w", err)
	}
	switch e.status {
	case http.StatusNotFound:
		return errors.New("there is nothing at this path: check the path and VAULT_NAMESPACE; a KV engine of version 2 has data/ after its mount, as in secret/data/tintype")
	case http.StatusForbidden:
		return errors.New("access is refused: VAULT_TOKEN must be valid, and its policy must allow to read this path")
	case http.StatusServiceUnavailable:
		return errors.New("the vault is sealed: unseal it, then try again")
	}
	return fmt.Errorf("the Vault server: %w", e)
}
