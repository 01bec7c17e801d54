package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/tintype/tintype/client"
)

// A workspace, a source in it, and a key for its backend.
func Example() {
	ctx := context.Background()
	server := exampleServer()             // https://img.example.com
	c, err := client.New(server, rootKey) // or client.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.CreateWorkspace(ctx, client.NewWorkspace{Namespace: "acme", AllowedSources: []string{}}); err != nil {
		log.Fatal(err)
	}
	source, err := c.PutSource(ctx, "acme", "photos", client.Source{Key: "photos", Kind: "http", URL: "https://origin.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	key, err := c.CreateAPIKey(ctx, "acme", client.NewAPIKey{Name: "shop", Scopes: []string{"read"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(source.URL, key.Scopes)

	for w, err := range c.AllWorkspaces(ctx, client.ListWorkspacesOptions{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(w.Namespace, len(w.Sources))
	}
	// Output:
	// https://origin.example.com/ [read]
	// acme 1
}

// Errors have codes, which don't change between versions.
func ExampleError() {
	c, err := client.New(exampleServer(), rootKey)
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.GetWorkspace(context.Background(), "nobody")
	fmt.Println(errors.Is(err, client.CodeWorkspaceNotFound))
	if e, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println(e.Status, e.Message)
	}
	// Output:
	// true
	// 404 There is no workspace under this namespace.
}

func ExampleImages() {
	images := client.Images{Server: "https://img.example.com", Namespace: "acme"}
	u, err := images.URL("photos/cat.jpg", client.Options{"w": 400, "h": 300, "fit": "cover"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(u)
	_, err = images.URL("photos/cat.jpg", client.Options{"widht": 400})
	fmt.Println(err)
	// Output:
	// https://img.example.com/acme/photos/cat.jpg?fit=cover&h=300&w=400
	// there is no option "widht": did you mean width?
}

func ExampleImages_SrcSet() {
	images := client.Images{Server: "https://img.example.com", Namespace: "acme"}
	srcset, err := images.SrcSet("photos/cat.jpg", nil, 400, 800)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(srcset)
	// Output:
	// https://img.example.com/acme/photos/cat.jpg?w=400 400w, https://img.example.com/acme/photos/cat.jpg?w=800 800w
}

func ExampleImages_SignedURL() {
	images := client.Images{
		Server: "https://img.example.com", Namespace: "acme",
		Secret: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", // of a signing key
	}
	u, err := images.SignedURL("vault/cat.jpg", client.Options{"w": 400}, time.Unix(1704070800, 0))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(u)
	// Output:
	// https://img.example.com/acme/vault/cat.jpg?w=400&exp=1704070800&sig=17312fd90f4d6e2363a6fcae28fa57e8304761262cef59d6a33b1fa0a933bc91
}

// Send a file, and say how far it is.
func ExampleClient_Upload() {
	c, err := client.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	f, err := os.Open("cat.jpg")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		log.Fatal(err)
	}
	image, err := c.Upload(context.Background(), "acme", client.Upload{
		Source: "photos", Path: "2026/cat.jpg",
		Progress: func(sent int64) { fmt.Printf("%d of %d bytes\n", sent, info.Size()) },
	}, f, info.Size())
	if errors.Is(err, client.CodeConflict) {
		log.Fatal("there is an image of this name")
	} else if err != nil {
		log.Fatal(err)
	}
	fmt.Println(image.Metadata.Width, image.Metadata.Height)
}
