package dynamodb

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestRecovery: what the service says of point-in-time recovery is told. DynamoDB Local has none,
// so a server with the answers of AWS's API stands in.
func TestRecovery(t *testing.T) {
	status, answer := 200, ""
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("X-Amz-Target"); got != "DynamoDB_20120810.DescribeContinuousBackups" {
			t.Errorf("asked for %s", got)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	defer service.Close()
	s, err := Open(t.Context(), Config{
		URL: "dynamodb://tintype?region=eu-west-1&endpoint=" + service.URL, Codec: testCodec(t), Timeout: time.Minute, Credentials: awsAccount,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status int
		answer string
		on     bool
		says   string
	}{
		{200, `{"ContinuousBackupsDescription":{"ContinuousBackupsStatus":"ENABLED","PointInTimeRecoveryDescription":{"PointInTimeRecoveryStatus":"ENABLED"}}}`, true, ""},
		{200, `{"ContinuousBackupsDescription":{"ContinuousBackupsStatus":"ENABLED","PointInTimeRecoveryDescription":{"PointInTimeRecoveryStatus":"DISABLED"}}}`, false, ""},
		{200, `{"ContinuousBackupsDescription":{"ContinuousBackupsStatus":"DISABLED"}}`, false, ""},
		{400, `{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"not authorized"}`, false, "AccessDenied"},
	} {
		status, answer = c.status, c.answer
		on, err := s.Recovery(t.Context())
		if on != c.on || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, %v", c.answer, on, err)
		}
	}
}
