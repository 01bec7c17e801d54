package main

import (
	"errors"
	"fmt"
	"time"

	bucketcache "github.com/tintype/tintype/cache/bucket"
)

const (
	usualFilter   size = 16 << 20 // the default of --cache-bucket-filter
	leastFilter   size = 64 << 10
	largestFilter size = 16 << 30 // eight billion variants
	// longestAge is more than any bucket needs, and less than what a date can't hold.
	longestAge time.Duration = 3650 * day
)

// checkCacheBucket returns an error about --cache-bucket and what belongs to it.
func (c *serveCmd) checkCacheBucket() error {
	if c.CacheBucket == "" {
		for _, f := range []struct {
			flag string
			set  bool
		}{
			{"--cache-bucket-writes", c.CacheBucketWrites != "second-use"},
			{"--cache-bucket-filter", c.CacheBucketFilter != usualFilter},
			{"--cache-bucket-max-age", c.CacheBucketMaxAge != 0},
		} {
			if f.set {
				return fmt.Errorf("%s: does nothing without a bucket: name it with --cache-bucket s3://…, or leave this out", f.flag)
			}
		}
		return nil
	}
	if _, err := bucketcache.ParseURL(c.CacheBucket); err != nil {
		return fmt.Errorf("--cache-bucket: %w", err)
	}
	if age := c.CacheBucketMaxAge; age != 0 && (age < day || age > longestAge) {
		return errors.New("--cache-bucket-max-age: must be from 1d to 3650d, such as 30d, or 0 for a lifecycle rule of the bucket")
	}
	switch f := c.CacheBucketFilter; {
	case f == 0 && c.CacheBucketWrites != "always":
		return errors.New("--cache-bucket-filter: 0 needs --cache-bucket-writes always: what is written at its second use must be remembered")
	case f != 0 && (f < leastFilter || f > largestFilter):
		return errors.New("--cache-bucket-filter: must be from 64KiB to 16GiB, such as 16MiB, which is for 8 million variants, or 0 for none")
	}
	return nil
}

// filterBeyondUsual is the memory of the filter beyond that of the default, which fits anywhere.
func (c *serveCmd) filterBeyondUsual() int64 {
	if c.CacheBucket == "" {
		return 0
	}
	return int64(max(c.CacheBucketFilter-usualFilter, 0))
}
