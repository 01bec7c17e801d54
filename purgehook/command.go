package purgehook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A Command runs a program for each message. The program reads the message from standard
// input, as one line of JSON. An exit status other than 0 is a failure. When the context
// ends, the program is killed together with the processes that it started.
type Command struct {
	Path string   // path of the program; it gets no arguments, and isn't run by a shell
	Env  []string // the whole environment of the program
}

var _ Sender = (*Command)(nil)

const mostStderr = 512 // bytes of the program's standard error that go into the log

// Send implements [Sender].
func (c *Command) Send(ctx context.Context, m Message) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, c.Path)
	cmd.Env = append([]string{}, c.Env...) // an empty list clears the environment; nil would inherit ours
	cmd.Stdin = bytes.NewReader(append(data, '\n'))
	said := &head{}
	cmd.Stderr = said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("the command took too long: %w", ctx.Err())
	case err != nil && len(said.b) > 0:
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(said.b)))
	}
	return err
}

// A head keeps the beginning of what is written to it.
type head struct{ b []byte }

func (h *head) Write(p []byte) (int, error) {
	h.b = append(h.b, p[:min(len(p), mostStderr-len(h.b))]...)
	return len(p), nil
}
