package worker

import (
	"os/exec"
	"testing"
)

func TestEnding(t *testing.T) {
	c := exec.Command("sleep", "600")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	pid := c.Process.Pid
	if ending(pid) {
		t.Error("it runs")
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is ending", func() bool { return ending(pid) })
	_ = c.Wait()
	if !ending(pid) {
		t.Error("it has ended")
	}
}
