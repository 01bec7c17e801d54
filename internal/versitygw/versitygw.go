// Package versitygw starts S3 servers for tests: [Start] runs the binary that
// scripts/build-versitygw makes, over a folder of the test's own. It verifies
// signatures as S3 does.
package versitygw

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tintype/tintype/internal/freeport"
	"github.com/tintype/tintype/internal/tool"
)

// A Server is a running S3 server, until its test ends.
type Server struct {
	Endpoint        string // such as "http://127.0.0.1:41234"
	Address         string // host and port of Endpoint
	Region          string
	AccessKeyID     string
	SecretAccessKey string

	client *s3.Client
}

// Start starts a server whose one account has the credentials. It fails the test if
// the binary is missing.
func Start(t testing.TB, accessKeyID, secretAccessKey string) *Server {
	t.Helper()
	bin, err := tool.Find("versitygw", "scripts/build-versitygw, which builds it")
	if err != nil {
		t.Fatal(err)
	}
	address := freeport.Address(t)
	dir := t.TempDir()
	objects, metadata := filepath.Join(dir, "objects"), filepath.Join(dir, "metadata")
	for _, d := range []string{objects, metadata} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	const region = "eu-west-1"
	var output bytes.Buffer
	// With its metadata beside the objects, since not every file system has extended attributes.
	cmd := exec.Command(bin, "--quiet", "--port", address, "--region", region, "posix", "--sidecar", metadata, objects)
	cmd.Env = []string{"ROOT_ACCESS_KEY=" + accessKeyID, "ROOT_SECRET_KEY=" + secretAccessKey, "HOME=" + dir}
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatalf("versitygw: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("versitygw: %s", output.Bytes())
		}
	})
	s := &Server{
		Endpoint: "http://" + address, Address: address, Region: region,
		AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey,
		client: s3.New(s3.Options{
			BaseEndpoint: aws.String("http://" + address), Region: region, UsePathStyle: true,
			Credentials: credentials.NewStaticCredentialsProvider(accessKeyID, secretAccessKey, ""),
		}),
	}
	deadline := time.NewTimer(3 * time.Minute)
	defer deadline.Stop()
	for tick := time.Tick(10 * time.Millisecond); ; {
		// Only our server takes these credentials.
		if _, err := s.client.ListBuckets(t.Context(), nil); err == nil {
			return s
		}
		select {
		case <-ended:
			t.Fatalf("versitygw ended on %s: %s", address, output.Bytes())
		case <-deadline.C:
			t.Fatal("versitygw did not answer within three minutes")
		case <-tick:
		}
	}
}

// CreateBucket makes an empty bucket.
func (s *Server) CreateBucket(t testing.TB, bucket string) {
	t.Helper()
	if _, err := s.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
}

// AllowOrigin lets pages of an origin send objects to a bucket (CORS).
func (s *Server) AllowOrigin(t testing.TB, bucket, origin string) {
	t.Helper()
	in := &s3.PutBucketCorsInput{Bucket: &bucket, CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{{
		AllowedOrigins: []string{origin}, AllowedMethods: []string{"PUT"}, AllowedHeaders: []string{"*"},
	}}}}
	if _, err := s.client.PutBucketCors(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// Put stores an object.
func (s *Server) Put(t testing.TB, bucket, key string, body []byte) {
	t.Helper()
	in := &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)}
	if _, err := s.client.PutObject(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// List returns the keys of a bucket that begin with prefix, sorted, 1,000 at most.
func (s *Server) List(t testing.TB, bucket, prefix string) (keys []string) {
	t.Helper()
	out, err := s.client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out.Contents {
		keys = append(keys, aws.ToString(o.Key))
	}
	return keys
}

// Uploads returns the number of uploads in parts that are neither complete nor given up.
func (s *Server) Uploads(t testing.TB, bucket string) int {
	t.Helper()
	out, err := s.client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Uploads)
}

// Head returns what the server says of an object without sending it.
func (s *Server) Head(t testing.TB, bucket, key string) *s3.HeadObjectOutput {
	t.Helper()
	out, err := s.client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
