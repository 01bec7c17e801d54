package secretref

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/oauth2/google"
)

// Google's own client of Secret Manager brings gRPC and 60 modules for one GET. So the
// credentials are those of x/oauth2 (metadata server, service account, workload identity), and
// the call is plain HTTPS.

const (
	gcpScope = "https://www.googleapis.com/auth/cloud-platform"
	gcpURL   = "https://secretmanager.googleapis.com/"
	// gcpEndpoint is the variable with which gcloud's users name another endpoint.
	gcpEndpoint = "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"
)

var gcpName = regexp.MustCompile(`^projects/[^/#?]+/(locations/[^/#?]+/)?secrets/[^/#?]+(/versions/[^/#?]+)?$`)

// readGCP reads a version of a secret of Google Cloud's Secret Manager, the latest by default.
func readGCP(ctx context.Context, name, field string) (string, error) {
	if !gcpName.MatchString(name) {
		return "", errors.New("name it as projects/PROJECT/secrets/NAME, with /versions/VERSION after it for another than the latest")
	}
	if !strings.Contains(name, "/versions/") {
		name += "/versions/latest"
	}
	credentials, err := google.FindDefaultCredentials(ctx, gcpScope)
	if err != nil {
		return "", fmt.Errorf("there are no credentials of Google Cloud: run on a machine that has a service account, or set GOOGLE_APPLICATION_CREDENTIALS to the file of one: %w", err)
	}
	token, err := credentials.TokenSource.Token()
	if err != nil {
		return "", fmt.Errorf("there is no token of Google Cloud for these credentials: %w", err)
	}
	header := http.Header{}
	token.SetAuthHeader(&http.Request{Header: header})
	base := strings.TrimSuffix(cmp.Or(os.Getenv(gcpEndpoint), gcpURL), "/")
	body, err := get(ctx, http.DefaultClient, base+"/v1/"+name+":access", header)
	if err != nil {
		return "", gcpError(err)
	}
	var out struct {
		Payload struct {
			Data       string `json:"data"`
			DataCRC32C string `json:"dataCrc32c"`
		} `json:"payload"`
	}
	if json.Unmarshal(body, &out) != nil {
		return "", errors.New("the answer is not that of Secret Manager: check " + gcpEndpoint)
	}
	secret, err := base64.StdEncoding.DecodeString(out.Payload.Data)
	if err != nil {
		return "", errors.New("the answer of Secret Manager is damaged: try again")
	}
	sum := crc32.Checksum(secret, crc32.MakeTable(crc32.Castagnoli))
	if want := out.Payload.DataCRC32C; want != "" && want != strconv.FormatUint(uint64(sum), 10) {
		return "", errors.New("the answer of Secret Manager is damaged: try again")
	}
	return fieldOf(secret, field)
}

func gcpError(err error) error {
	e, ok := errors.AsType[*statusError](err)
	if !ok {
		return fmt.Errorf("the Secret Manager can't be asked: check the network: %w", err)
	}
	switch e.status {
	case http.StatusNotFound:
		return errors.New("there is no such secret or version: check the project and the name")
	case http.StatusForbidden:
		return errors.New("access is refused: give the service account the role roles/secretmanager.secretAccessor on the secret")
	}
	return fmt.Errorf("the Secret Manager: %w", e)
}
