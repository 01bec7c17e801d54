// Package geoip finds out from which country an address is, by a database in MaxMind's format
// (.mmdb), such as GeoLite2 Country, DB-IP Country Lite or IPinfo Lite.
//
// For most uses, call [Open], then [Countries.Of] for each request, and [Countries.Reload] when
// the file is a newer one. The whole file is in memory, so that it may be replaced or written
// over while it is in use.
package geoip

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"

	"github.com/oschwald/maxminddb-golang/v2"
)

// ErrNoCountries means that a database is whole, but has no countries.
var ErrNoCountries = errors.New("the database has no countries: give it a Country or City database, such as GeoLite2-Country.mmdb")

var errNotWhole = errors.New("is no database of addresses, or not whole: give it a file .mmdb, and download it again if it is one")

// Countries has the countries of addresses. It is safe for concurrent use. A nil Countries
// knows none.
type Countries struct {
	path string
	now  atomic.Pointer[database]
}

// A database is one state of the file. Nobody changes it.
type database struct {
	*maxminddb.Reader
	code []any // path to the code of the country in a record
}

// places are where databases have the code of a country: MaxMind's and DB-IP's, MaxMind's of
// networks in no country of their own, and both of IPinfo's.
var places = [][]any{{"country", "iso_code"}, {"registered_country", "iso_code"}, {"country_code"}, {"country"}}

// tried is how many networks of a database are looked at for the place of the code.
const tried = 10_000

// Open reads the file. The error says what is wrong with it, and what to do.
func Open(path string) (*Countries, error) {
	c := &Countries{path: path}
	return c, c.Reload()
}

// Reload reads the file again. After an error, which says what is wrong, the countries stay as
// they were. A nil Countries has no file.
func (c *Countries) Reload() error {
	if c == nil {
		return nil
	}
	data, err := os.ReadFile(c.path)
	if err != nil {
		return err
	}
	db, err := read(data)
	if err != nil {
		return fmt.Errorf("%s: %w", c.path, err)
	}
	c.now.Store(db)
	return nil
}

func read(data []byte) (*database, error) {
	r, err := maxminddb.OpenBytes(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotWhole, err)
	}
	n := 0
	for network := range r.Networks() {
		if err := network.Err(); err != nil {
			return nil, fmt.Errorf("%w: %w", errNotWhole, err)
		}
		for _, place := range places {
			if code(network, place) != "" {
				return &database{r, place}, nil
			}
		}
		if n++; n == tried {
			break
		}
	}
	return nil, ErrNoCountries
}

// Of returns the code of the country of an address in ISO 3166-1, such as DE, or of a network,
// such as 2001:db8::/64. It is empty where the database doesn't know it, and for what is no
// address.
func (c *Countries) Of(address string) string {
	if c == nil {
		return ""
	}
	addr, err := netip.ParseAddr(address)
	if err != nil {
		network, err := netip.ParsePrefix(address)
		if err != nil {
			return ""
		}
		addr = network.Addr()
	}
	db := c.now.Load()
	found := db.Lookup(addr.Unmap().WithZone(""))
	if !found.Found() {
		return ""
	}
	if country := code(found, db.code); country != "" || len(db.code) == 1 {
		return country
	}
	return code(found, places[1]) // of an anonymous proxy, a satellite
}

// code is the code of a record at a place, or nothing where there is none.
func code(record maxminddb.Result, place []any) string {
	var country string
	if record.DecodePath(&country, place...) != nil || len(country) != 2 {
		return ""
	}
	for _, letter := range []byte(country) {
		if letter < 'A' || letter > 'Z' {
			return ""
		}
	}
	return country
}
