package workspace

import "github.com/tintype/tintype/origin"

// Places are the URL prefixes under which the source's originals are known, the first
// one that by which they are fetched. The error wraps origin.ErrInvalidURL, and what comes
// before the wrong one is returned with it.
func (s *Source) Places() ([]origin.URL, error) {
	var places []origin.URL
	switch s.Kind {
	case "http":
		base, err := origin.ParsePlace(s.URL)
		if err != nil {
			return nil, err
		}
		places = append(places, base)
	case "s3", "r2":
		var err error
		if places, err = origin.S3Places(s.Bucket, s.Region, s.Endpoint, s.AccountID, s.Prefix); err != nil {
			return nil, err
		}
	}
	for _, raw := range s.PublicURLs {
		u, err := origin.ParsePlace(raw)
		if err != nil {
			return places, err
		}
		places = append(places, u)
	}
	return places, nil
}

// TakesReadings reports whether the server that the source is fetched from may take one
// key for another ([origin.Reading]).
func (s *Source) TakesReadings() bool {
	switch s.Kind {
	case "http":
		return true
	case "s3":
		return !origin.S3KeysAreExact(s.Endpoint)
	}
	return false // folders and R2
}
