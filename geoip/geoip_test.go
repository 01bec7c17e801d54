package geoip_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/tintype/tintype/geoip"
	"github.com/tintype/tintype/geoip/geoiptest"
)

// write makes a database in which the networks have these records.
func write(t *testing.T, records map[string]mmdbtype.DataType) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test", IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, record := range records {
		_, ip, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(ip, record); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "test.mmdb")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := tree.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	return path
}

// maxmind is a record as in MaxMind's and DB-IP's databases.
func maxmind(place, country string) mmdbtype.Map {
	return mmdbtype.Map{
		mmdbtype.String(place): mmdbtype.Map{"iso_code": mmdbtype.String(country), "names": mmdbtype.Map{"en": mmdbtype.String("A country")}},
		"continent":            mmdbtype.Map{"code": mmdbtype.String("EU")},
	}
}

// TestCountries: the country of an address, in the databases of several vendors.
func TestCountries(t *testing.T) {
	for _, c := range []struct {
		name    string
		records map[string]mmdbtype.DataType
		want    map[string]string
	}{
		{"MaxMind", map[string]mmdbtype.DataType{
			"192.0.2.0/24":    maxmind("country", "DE"),
			"2001:db8::/32":   maxmind("country", "NZ"),
			"198.51.100.0/24": maxmind("registered_country", "CH"),
			"203.0.113.0/24":  mmdbtype.Map{"continent": mmdbtype.Map{"code": mmdbtype.String("EU")}},
			"203.0.114.0/24":  maxmind("country", "not a code"),
		}, map[string]string{
			"192.0.2.1": "DE", "::ffff:192.0.2.1": "DE", "2001:db8::1": "NZ", "2001:db8::/64": "NZ", "2001:db8::1%eth0": "NZ", "198.51.100.7": "CH",
			"203.0.113.9": "", "203.0.114.9": "", "127.0.0.1": "", "::1": "", "": "", "192.0.2.1:80": "", "example.com": "",
		}},
		{"IPinfo Lite", map[string]mmdbtype.DataType{
			"192.0.2.0/24": mmdbtype.Map{"country": mmdbtype.String("Germany"), "country_code": mmdbtype.String("DE")},
		}, map[string]string{"192.0.2.1": "DE", "198.51.100.7": ""}},
		{"IPinfo Country", map[string]mmdbtype.DataType{
			"192.0.2.0/24": mmdbtype.Map{"country": mmdbtype.String("DE"), "continent": mmdbtype.String("EU")},
		}, map[string]string{"192.0.2.1": "DE", "198.51.100.7": ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			countries, err := geoip.Open(write(t, c.records))
			if err != nil {
				t.Fatal(err)
			}
			for address, want := range c.want {
				if got := countries.Of(address); got != want {
					t.Errorf("%q is of %q, want %q", address, got, want)
				}
			}
		})
	}
	var none *geoip.Countries
	if none.Of("192.0.2.1") != "" || none.Reload() != nil {
		t.Error("nil knows a country")
	}
}

// TestBadFile: each mistake is an error that says what to do, and a database that was read
// before goes on.
func TestBadFile(t *testing.T) {
	path := geoiptest.Write(t, map[string]string{"192.0.2.0/24": "DE"})
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	countries, err := geoip.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	networks := write(t, map[string]mmdbtype.DataType{"192.0.2.0/24": mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(64496)}})
	asn, err := os.ReadFile(networks)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte(strings.Repeat("plans: {}\n", 100)), "half": good[:len(good)/2], "torn": good[len(good)/2:], "without countries": asn,
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := geoip.Open(path)
		if err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), "give it a") {
			t.Errorf("%s: %v", name, err)
		}
		if name == "without countries" && !errors.Is(err, geoip.ErrNoCountries) {
			t.Error(err)
		}
		if err := countries.Reload(); err == nil || countries.Of("192.0.2.1") != "DE" {
			t.Errorf("after a file that is %s: %v, %q", name, err, countries.Of("192.0.2.1"))
		}
	}
	if _, err := geoip.Open(path + ".missing"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestReload: a newer file is read while addresses are looked up.
func TestReload(t *testing.T) {
	path := geoiptest.Write(t, map[string]string{"192.0.2.0/24": "DE"})
	countries, err := geoip.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	newer, err := os.ReadFile(geoiptest.Write(t, map[string]string{"192.0.2.0/24": "FR"}))
	if err != nil {
		t.Fatal(err)
	}
	stop, looking := make(chan struct{}), sync.WaitGroup{}
	for range 4 {
		looking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got := countries.Of("192.0.2.1"); got != "DE" && got != "FR" {
					t.Errorf("%q", got)
				}
			}
		})
	}
	if err := os.WriteFile(path, newer, 0o600); err != nil { // in place
		t.Fatal(err)
	}
	if err := countries.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := countries.Of("192.0.2.1"); got != "FR" {
		t.Errorf("%q after the reload", got)
	}
	close(stop)
	looking.Wait()
}

func BenchmarkOf(b *testing.B) {
	countries, err := geoip.Open(geoiptest.Write(b, map[string]string{"192.0.2.0/24": "DE"}))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		countries.Of("192.0.2.1")
	}
}
