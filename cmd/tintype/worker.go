package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/worker"
)

// workerCmd is a process that serve starts for itself.
type workerCmd struct{}

// Run does jobs until serve ends the process. serve copies its log into its own.
func (workerCmd) Run(std stdio) error {
	var level slog.LevelVar
	level.Set(slog.LevelError) // warnings about the warm-up's pictures don't matter
	log := slog.New(slog.NewTextHandler(std.stderr, &slog.HandlerOptions{
		Level: &level, ReplaceAttr: noTime, // serve's log has the time
	}))
	return worker.Serve(func() (transform.Engine, error) {
		engine, err := newWorkerEngine(log)
		level.Set(slog.LevelWarn)
		return engine, err
	})
}

func noTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// fontCache returns the folder in which workers keep the cache of fonts, where the system's own
// can't be used.
func (c *serveCmd) fontCache() string {
	folder, err := filepath.Abs(filepath.Join(c.Data, "fonts"))
	if err != nil {
		return ""
	}
	return folder
}

// tooFewFiles adds what to do to an error of a start that ran out of open files.
func tooFewFiles(err error) error {
	if errors.Is(err, syscall.EMFILE) {
		err = fmt.Errorf("%w: let this process open more files (ulimit -n, LimitNOFILE=), or start fewer --workers", err)
	}
	return err
}

// beginWorkers begins to start the pool that the flags describe. memory is the bound for all
// transforms, in bytes.
func (c *serveCmd) beginWorkers(memory int64, log *slog.Logger) (*worker.Pool, error) {
	return worker.Begin(worker.Config{
		Command: []string{os.Args[0], "worker"}, Zygote: hasZygote,
		Workers: c.Workers, Queue: c.Queue, Timeout: c.TransformTimeout, Budget: memory, Memory: int64(c.WorkerMemory),
		Sandbox: worker.Sandbox(c.Sandbox), FontCache: c.fontCache(), Log: log,
	})
}
