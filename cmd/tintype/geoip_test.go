package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tintype/tintype/geoip/geoiptest"
)

// TestCountriesOfFlag: a server doesn't start with a bad database, and says what to do.
func TestCountriesOfFlag(t *testing.T) {
	c := serveCmd{GeoIP: geoiptest.Write(t, map[string]string{"192.0.2.0/24": "DE"})}
	if countries, err := c.openCountries(); err != nil || countries.Of("192.0.2.7") != "DE" {
		t.Error(err)
	}
	c.GeoIP = filepath.Join(t.TempDir(), "bad.mmdb")
	if err := os.WriteFile(c.GeoIP, []byte("<html>401</html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.openCountries(); err == nil || !strings.HasPrefix(err.Error(), "--geoip: "+c.GeoIP+": is no database") || !strings.Contains(err.Error(), "download it again") {
		t.Error(err)
	}
	if countries, err := (&serveCmd{}).openCountries(); err != nil || countries.Of("192.0.2.7") != "" {
		t.Error(err)
	}
}
