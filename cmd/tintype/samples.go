package main

import "github.com/tintype/tintype/samples"

// samplesCmd draws the demo's pictures. It doesn't change files that exist.
type samplesCmd struct {
	Folder string `arg:"" help:"Where they go; made if it is missing."`
}

func (c *samplesCmd) Run() error { return samples.Write(c.Folder) }
