package client_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/client"
	"github.com/tintype/tintype/signing"
)

func TestURL(t *testing.T) {
	acme := client.Images{Server: "https://img.example.com", Namespace: "acme"}
	host := client.Images{Server: "https://img.acme.com/", Namespace: "acme", HostForm: true}
	for _, test := range []struct {
		images  client.Images
		image   string
		options client.Options
		want    string // a URL, or a part of the error
	}{
		{acme, "photos/cat.jpg", nil, "https://img.example.com/acme/photos/cat.jpg"},
		{acme, "photos/cat.jpg", client.Options{"w": 400, "fit": "cover", "h": 300}, "https://img.example.com/acme/photos/cat.jpg?fit=cover&h=300&w=400"},
		{acme, "photos/a b/ü,?.jpg", client.Options{"dpr": 1.5, "lossless": true}, "https://img.example.com/acme/photos/a%20b/%C3%BC%2C%3F.jpg?dpr=1.5&lossless=true"},
		{acme, "https://shop.example/a.jpg?id=1&x=2", client.Options{"w": 100}, "https://img.example.com/acme?src=https%3A%2F%2Fshop.example%2Fa.jpg%3Fid%3D1%26x%3D2&w=100"},
		{acme, "photos/cat.jpg", client.Options{"preset": "card", "w": "50%"}, "https://img.example.com/acme/photos/cat.jpg?preset=card&w=50%25"},
		{host, "photos/cat.jpg", client.Options{"w": 1}, "https://img.acme.com/photos/cat.jpg?w=1"},
		{acme, "photos/cat.jpg", client.Options{"widht": 400}, "did you mean width?"},
		{acme, "photos/cat.jpg", client.Options{"zzzzzzzz": 400}, "there is no option"},
		{acme, "photos/cat.jpg", client.Options{"w": -1}, "w"},
		{acme, "photos/cat.jpg", client.Options{"w": 1, "width": 2}, "is given already"},
		{acme, "cat.jpg", nil, "is no image such as photos/cat.jpg"},
		{acme, "photos/a/../b.jpg", nil, "can't be in a URL"},
		{client.Images{Server: "img.example.com", Namespace: "acme"}, "photos/cat.jpg", nil, "is no URL of a server"},
		{client.Images{Server: "https://img.example.com"}, "photos/cat.jpg", nil, "namespace"},
	} {
		got, err := test.images.URL(test.image, test.options)
		if err != nil {
			if got = err.Error(); strings.HasPrefix(test.want, "https://") || !strings.Contains(got, test.want) {
				t.Errorf("%s %v: %v, want %s", test.image, test.options, err, test.want)
			}
		} else if got != test.want {
			t.Errorf("%s %v: %s, want %s", test.image, test.options, got, test.want)
		}
	}
}

func TestSrcSet(t *testing.T) {
	images := client.Images{Server: "https://img.example.com", Namespace: "acme"}
	options := client.Options{"q": 70}
	got, err := images.SrcSet("photos/a, b.jpg", options, 400, 800)
	const want = "https://img.example.com/acme/photos/a%2C%20b.jpg?q=70&w=400 400w, https://img.example.com/acme/photos/a%2C%20b.jpg?q=70&w=800 800w"
	if err != nil || got != want || len(options) != 1 {
		t.Errorf("%v %v\n%s, want\n%s", err, options, got, want)
	}
}

// TestSigned: what is signed is what the server verifies, in path and in host form.
func TestSigned(t *testing.T) {
	secret := signing.NewSecret()
	until := time.Now().Add(time.Hour)
	images := client.Images{Server: "https://img.example.com", Namespace: "acme", Secret: secret.Reveal()}
	for _, hostForm := range []bool{false, true} {
		images.HostForm = hostForm
		signed, err := images.SignedURL("vault/a b.jpg", client.Options{"w": 400}, until)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(signed)
		if err != nil {
			t.Fatal(err)
		}
		target := u.RequestURI()
		if hostForm {
			target = "/acme" + target
		}
		if _, err := signing.NewKeyring([]signing.Key{{ID: "k", Secret: secret}}).Verify(target, time.Now()); err != nil {
			t.Errorf("%s: %v", signed, err)
		}
	}
	images.Secret = "short"
	if _, err := images.SignedURL("vault/a.jpg", nil, until); err == nil || strings.Contains(err.Error(), "short") {
		t.Error(err)
	}
}
