//go:build cgo

// Command bench measures what Tintype's variants cost and what they look like.
//
//	go run ./bench [-n 40] [-only regexp] [-photos dir]
//	go run ./bench -quality [-photos dir]
//	go run ./bench -small -photos dir
//	go run ./bench -looks [-n 5] [-photos dir]
//	go run ./bench -auto 74 [-n 200] [-photos dir]
//	go run ./bench -auto-trials file [-photos dir]
//	go run ./bench -metric ssimulacra2 [-n 200] [-photos dir]
//	go run ./bench -gallery dir
//	go run ./bench -isolation [-n 40] [-server bin/tintype]
//	go run ./bench -table -server bin/tintype [-peers dir] [-corpus dir] [-only regexp]
//
// For most uses, run it without flags. It then makes variants in several ways, in turn, and
// prints their processor time, bytes and scores, and the cost of marks (speed.go, marks.go).
//
//   - -quality tries all qualities of every encoder and prints the table behind the scales
//     in transform/vips/encode.go (quality.go).
//   - -small prints what small pictures look like at each quality of a URL (small.go).
//   - -looks prints what JPEG originals look like, and cost, by how much they are reduced
//     (looks.go).
//   - -auto judges q=auto with pictures that its model wasn't fitted to. -auto-trials writes
//     what the model is fitted to, by bench/autofit (auto.go).
//   - -metric compares our two codes of SSIMULACRA 2 with the tool of its author (metric.go).
//   - -gallery writes a page with every operation, to look at (gallery.go).
//   - -isolation measures the cost of worker processes (isolation.go).
//   - -table measures a server from outside: its start, what works and hits cost in all of its
//     processes, their memory, and the scores of works (table.go). With -peers, servers of other projects do the
//     same works in turn (target.go has the fields of their peers.json).
//
// The originals are drawn (originals.go). -photos uses the photographs of a folder instead
// of drawn ones, -corpus the files of a folder in which works.go finds its own.
package main

import (
	"flag"
	"log"
	"log/slog"
	"os"
	"regexp"

	"github.com/tintype/tintype/transform/vips"
)

func main() {
	n := flag.Int("n", 40, "variants of each kind")
	only := flag.String("only", "", "regular expression of the cases to run, such as 'photo.jpg to webp', or with -table 'webp|hits'")
	photos := flag.String("photos", "", "folder of photographs to use instead of drawn ones")
	quality := flag.Bool("quality", false, "sweep the encoders' qualities instead")
	small := flag.Bool("small", false, "measure the looks of small pictures by quality instead")
	looks := flag.Bool("looks", false, "measure the looks of JPEG originals by reduction instead")
	trials := flag.String("auto-trials", "", "file to write a trial of all qualities of every picture into instead")
	target := flag.Int("auto", 0, "judge q=auto with this target instead")
	tool := flag.String("metric", "", "ssimulacra2 of libjxl, to compare our scores with its over -n pairs instead")
	gallery := flag.String("gallery", "", "folder to write a page of every operation, fit and format into instead")
	isolation := flag.Bool("isolation", false, "measure the cost of worker processes instead")
	table := flag.Bool("table", false, "measure a whole server instead")
	others := flag.String("peers", "", "with -table: folder with peers.json and the programs of other servers, to measure beside it")
	files := flag.String("corpus", "", "with -table: folder of originals to use instead of drawn ones")
	binary := flag.String("server", "", "with -table, or -isolation: the binary of a server")
	log.SetFlags(0)
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		if err := runWorker(); err != nil {
			log.Fatal(err)
		}
		return
	}
	flag.Parse()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		log.Fatal(err)
	}
	if err := vips.Start(vips.Config{Logger: slog.New(slog.DiscardHandler)}); err != nil {
		log.Fatal(err)
	}
	switch {
	case *gallery != "":
		err = writeGallery(*gallery)
	case *table:
		err = printTable(os.Stdout, *binary, *others, *files, pattern)
	case *isolation:
		err = measureIsolation(os.Stdout, *n, *binary)
	case *small:
		err = compareSmall(os.Stdout, *photos)
	case *looks:
		err = compareLooks(os.Stdout, *n, *photos)
	case *tool != "":
		err = checkMetric(os.Stdout, *photos, *tool, *n)
	case *target > 0:
		err = judgeAuto(os.Stdout, *photos, *target, *n)
	case *trials != "":
		err = tryQualities(*trials, *photos)
	case *quality:
		err = sweep(os.Stdout, *photos)
	default:
		err = compareAll(os.Stdout, *n, pattern, *photos)
	}
	if err != nil {
		log.Fatal(err)
	}
}
