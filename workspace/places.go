package workspace

import "github.com/tintype/tintype/origin"

// Places returns the URL prefixes of the source's originals. The first one is the prefix
// that they are fetched from. The error wraps origin.ErrInvalidURL; the places before the
// wrong one are returned with it.
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

// TakesReadings reports whether the source's server may treat two different keys as the
// same ([origin.Reading]).
func (s *Source) TakesReadings() bool {
	switch s.Kind {
	case "http":
		return true
	case "s3":
		return !origin.S3KeysAreExact(s.Endpoint)
	}
	return false // folders and R2
}
