package origin

import (
	"slices"
	"strings"
)

// S3Places returns the URL prefixes of a bucket: a URL within one of them ([URL.Within]) is
// an object of that bucket. They hold for http and https. The arguments are those of a
// source of kind s3 or r2. endpoint is empty for AWS. accountID is empty for all but R2.
//
//	bucket media, region eu-west-1, prefix a/
//	    https://media.s3.eu-west-1.amazonaws.com/a/     virtual-hosted, and its dualstack,
//	    https://s3.eu-west-1.amazonaws.com/media/a/     FIPS, legacy and global forms; the
//	    …                                               same in path style; acceleration;
//	                                                    static website
//	bucket img.example.com                              as above, and http://img.example.com/,
//	                                                    the virtual host that a CNAME makes
//	account 0123…                                       https://0123….r2.cloudflarestorage.com/media/a/
//	                                                    https://media.0123….r2.cloudflarestorage.com/a/
//	endpoint https://minio.example.com:9000             https://minio.example.com:9000/media/a/
//	                                                    https://media.minio.example.com:9000/a/
//
// The owner must list other names, such as an access point, r2.dev or a CDN in front. The
// error wraps ErrInvalidURL.
func S3Places(bucket, region, endpoint, accountID, prefix string) ([]URL, error) {
	switch {
	case accountID != "":
		endpoint = "https://" + accountID + ".r2.cloudflarestorage.com"
	case endpoint == "":
		return awsPlaces(bucket, region, prefix), nil
	}
	at, err := ParsePlace(endpoint)
	if err != nil {
		return nil, err
	}
	places := placesOn(at, bucket, prefix)
	if isAWS(at.Host) { // an endpoint of AWS: add the bucket's other names too
		places = append(places, awsPlaces(bucket, region, prefix)...)
	}
	return places, nil
}

// S3KeysAreExact reports whether the store at an endpoint never confuses two keys. S3 and R2
// don't. Other stores may keep objects on a file system that ignores case, so the [Reading]
// of a key counts. endpoint is that of a source of kind s3, and empty for AWS.
func S3KeysAreExact(endpoint string) bool {
	if endpoint == "" {
		return true
	}
	at, err := ParsePlace(endpoint)
	return err == nil && isAWS(at.Host)
}

// awsPlaces returns a bucket's places on AWS (Amazon S3 User Guide, "Virtual hosting of
// general purpose buckets", "Website endpoints", "Dual-stack endpoints").
func awsPlaces(bucket, region, prefix string) []URL {
	domain := "." + awsDomain(region)
	var places []URL
	for _, name := range []string{
		"s3." + region, "s3-" + region, "s3", "s3-external-1", "s3.dualstack." + region,
		"s3-fips." + region, "s3-fips.dualstack." + region,
	} {
		places = append(places, placesOn(URL{Scheme: "https", Host: name + domain}, bucket, prefix)...)
	}
	for _, name := range []string{
		"s3-accelerate", "s3-accelerate.dualstack", "s3-website-" + region, "s3-website." + region,
	} {
		places = appendPlace(places, URL{Scheme: "https", Host: bucket + "." + name + domain}, prefix)
	}
	if strings.IndexByte(bucket, '.') >= 0 {
		places = appendPlace(places, URL{Scheme: "https", Host: bucket}, prefix)
	}
	return places
}

// placesOn returns a bucket's places at an endpoint, in path style and as a virtual host.
func placesOn(endpoint URL, bucket, prefix string) []URL {
	places := appendPlace(nil, endpoint, bucket+"/"+prefix)
	endpoint.Host = bucket + "." + endpoint.Host
	return appendPlace(places, endpoint, prefix)
}

// appendPlace adds the path on a host, unless no URL can have the host, such as a virtual
// host of an address.
func appendPlace(places []URL, on URL, path string) []URL {
	on.Path = "/" + EscapePath(path)
	if u, err := ParsePlace(on.String()); err == nil {
		places = append(places, u)
	}
	return places
}

// awsDomains are the domains of AWS's partitions by the prefix of their regions. All other
// regions are in the first partition.
var awsDomains = []struct{ region, domain string }{
	{"", "amazonaws.com"},
	{"cn-", "amazonaws.com.cn"},
	{"eusc-", "amazonaws.eu"},
	{"us-iso-", "c2s.ic.gov"},
	{"us-isob-", "sc2s.sgov.gov"},
	{"eu-isoe-", "cloud.adc-e.uk"},
	{"us-isof-", "csp.hci.ic.gov"},
}

func awsDomain(region string) string {
	for _, p := range awsDomains[1:] {
		if strings.HasPrefix(region, p.region) {
			return p.domain
		}
	}
	return awsDomains[0].domain
}

func isAWS(host string) bool {
	return slices.ContainsFunc(awsDomains, func(p struct{ region, domain string }) bool {
		return strings.HasSuffix(host, "."+p.domain)
	})
}
