package origin

import (
	"errors"
	"testing"
)

func TestS3Places(t *testing.T) {
	const account = "0123456789abcdef0123456789abcdef"
	type bucket struct{ bucket, region, endpoint, account, prefix string }
	media := bucket{bucket: "media", region: "eu-west-1"}
	shop := bucket{bucket: "media", region: "eu-west-1", prefix: "shop/ä b/"}
	dotted := bucket{bucket: "img.example.com", region: "us-east-1"}
	china := bucket{bucket: "media", region: "cn-north-1"}
	r2 := bucket{bucket: "vault", account: account}
	minio := bucket{bucket: "media", region: "auto", endpoint: "http://minio.example.com:9000", prefix: "a/"}
	spelled := bucket{bucket: "media", region: "eu-west-1", endpoint: "https://s3.eu-west-1.amazonaws.com"}
	address := bucket{bucket: "media", region: "auto", endpoint: "http://127.0.0.1:9000"}
	six := bucket{bucket: "media", region: "auto", endpoint: "http://[::1]:9000"}

	const outside = "\x00"
	for _, tt := range []struct {
		bucket
		url  string
		path string // within the bucket and prefix, or outside
	}{
		{media, "https://media.s3.eu-west-1.amazonaws.com/cat.jpg", "cat.jpg"},
		{media, "http://MEDIA.s3.eu-west-1.amazonaws.com.:80/a/cat.jpg", "a/cat.jpg"},
		{media, "https://media.s3-eu-west-1.amazonaws.com/cat.jpg", "cat.jpg"},
		{media, "https://media.s3.amazonaws.com/cat.jpg", "cat.jpg"},
		{media, "https://media.s3-external-1.amazonaws.com/cat.jpg", "cat.jpg"},
		{media, "https://media.s3.dualstack.eu-west-1.amazonaws.com/cat.jpg", "cat.jpg"},
		{media, "https://media.s3-fips.eu-west-1.amazonaws.com/cat.jpg", "cat.jpg"},
		{media, "https://media.s3-accelerate.amazonaws.com/cat.jpg", "cat.jpg"},
		{media, "https://media.s3-accelerate.dualstack.amazonaws.com/cat.jpg", "cat.jpg"},
		{media, "http://media.s3-website-eu-west-1.amazonaws.com/cat.jpg", "cat.jpg"},
		{media, "http://media.s3-website.eu-west-1.amazonaws.com/cat.jpg", "cat.jpg"},
		{media, "https://s3.eu-west-1.amazonaws.com/media/cat.jpg", "cat.jpg"},
		{media, "https://s3-eu-west-1.amazonaws.com/media/cat.jpg", "cat.jpg"},
		{media, "https://s3.amazonaws.com/%6dedia/cat.jpg", "cat.jpg"},
		{media, "https://s3.dualstack.eu-west-1.amazonaws.com/media/cat.jpg?versionId=1", "cat.jpg"},
		{media, "https://media2.s3.eu-west-1.amazonaws.com/cat.jpg", outside},
		{media, "https://s3.eu-west-1.amazonaws.com/media2/cat.jpg", outside},
		{media, "https://s3.eu-west-1.amazonaws.com/MEDIA/cat.jpg", outside},
		{media, "https://media/cat.jpg", outside},
		{media, "https://media.s3.eu-west-1.amazonaws.com.example.com/cat.jpg", outside},

		{shop, "https://media.s3.eu-west-1.amazonaws.com/shop/%C3%A4%20b/cat.jpg", "cat.jpg"},
		{shop, "https://s3.eu-west-1.amazonaws.com/media/shop/ä%20b/cat.jpg", "cat.jpg"},
		{shop, "https://media.s3.eu-west-1.amazonaws.com/shop/cat.jpg", outside},

		{dotted, "https://s3.us-east-1.amazonaws.com/img.example.com/cat.jpg", "cat.jpg"},
		{dotted, "http://img.example.com.s3.amazonaws.com/cat.jpg", "cat.jpg"},
		{dotted, "http://img.example.com/cat.jpg", "cat.jpg"},

		{china, "https://media.s3.cn-north-1.amazonaws.com.cn/cat.jpg", "cat.jpg"},
		{china, "https://media.s3.cn-north-1.amazonaws.com/cat.jpg", outside},

		{r2, "https://" + account + ".r2.cloudflarestorage.com/vault/cat.jpg", "cat.jpg"},
		{r2, "https://vault." + account + ".r2.cloudflarestorage.com/cat.jpg", "cat.jpg"},
		{r2, "https://" + account + ".r2.cloudflarestorage.com/cat.jpg", outside},

		{minio, "http://minio.example.com:9000/media/a/cat.jpg", "cat.jpg"},
		{minio, "http://media.minio.example.com:9000/a/cat.jpg", "cat.jpg"},
		{minio, "http://minio.example.com/media/a/cat.jpg", outside},
		{minio, "http://minio.example.com:9000/media/cat.jpg", outside},

		{spelled, "https://media.s3.amazonaws.com/cat.jpg", "cat.jpg"},
		{address, "http://127.1:9000/media/cat.jpg", "cat.jpg"},
		{six, "http://[0::1]:9000/media/cat.jpg", "cat.jpg"},
	} {
		places, err := S3Places(tt.bucket.bucket, tt.region, tt.endpoint, tt.account, tt.prefix)
		if err != nil {
			t.Fatal(err)
		}
		u, err := ParsePlace(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		got := outside
		for _, place := range places {
			if key, ok := u.Within(place); ok {
				got = key.Path
			}
		}
		if got != tt.path {
			t.Errorf("%s in %+v: %q, want %q", tt.url, tt.bucket, got, tt.path)
		}
	}
	if _, err := S3Places("media", "auto", "ftp://example.com", "", ""); !errors.Is(err, ErrInvalidURL) {
		t.Errorf("a bad endpoint: %v, want ErrInvalidURL", err)
	}
}
