package main

import (
	"fmt"

	"github.com/tintype/tintype/geoip"
)

// openCountries returns the countries of addresses by --geoip; nil are none.
func (c *serveCmd) openCountries() (*geoip.Countries, error) {
	if c.GeoIP == "" {
		return nil, nil
	}
	countries, err := geoip.Open(c.GeoIP)
	if err != nil {
		return nil, fmt.Errorf("--geoip: %w", err)
	}
	return countries, nil
}

// countryOf is what package delivery asks for the country of a client; nil is nobody.
func countryOf(countries *geoip.Countries) func(address string) string {
	if countries == nil {
		return nil
	}
	return countries.Of
}
