package main

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"time"

	"github.com/alecthomas/kong"
)

// weeksAndDays are what a duration may begin with. Go's own notation ends at hours.
var weeksAndDays = regexp.MustCompile(`^(?:(\d{1,5})w)?(?:(\d{1,5})d)?`)

// readDuration reads the duration of a flag or a variable.
func readDuration(c *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := c.Scan.PopValueInto("duration", &text); err != nil {
		return err
	}
	d, err := parseDuration(text)
	if err != nil {
		return err
	}
	target.SetInt(int64(d))
	return nil
}

// parseDuration reads a duration such as 30m, 1h30m, 7d or 2w. A day is 24 hours.
func parseDuration(text string) (time.Duration, error) {
	m := weeksAndDays.FindStringSubmatch(text)
	weeks, _ := strconv.Atoi(m[1]) // digits, or nothing
	days, _ := strconv.Atoi(m[2])
	days += 7 * weeks
	rest := text[len(m[0]):]
	if m[0] != "" && rest == "" {
		rest = "0"
	}
	part, err := time.ParseDuration(rest)
	if err != nil || days > maxDays || m[0] != "" && (part < 0 || part > maxDays*day) {
		return 0, fmt.Errorf("%.40q is not a duration, such as 30s, 1h30m, 7d or 2w", text)
	}
	return time.Duration(days)*day + part, nil
}

const (
	day     = 24 * time.Hour
	maxDays = 36_500
)
