//go:build cgo && linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestForeignData: a data folder of another user, as a new volume of a container is, ends the
// start with what to do.
func TestForeignData(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process as another user")
	}
	folder, err := os.MkdirTemp("/tmp", "foreign") // t.TempDir is inside a folder of root
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{folder, filepath.Join(folder, "not", "there")} {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "serve", "--listen", "127.0.0.1:0", "--ops-listen", "off", "--data", data)
		cmd.Args[0] = "tintype"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 10001, Gid: 10001}}
		var said bytes.Buffer
		cmd.Stderr = &said
		err := cmd.Run()
		want := "--data: " + folder + " belongs to user 0, and this process is user 10001, who may not write there: give it the folder (chown -R 10001:10001), " +
			"or start it as user 0. In Kubernetes set fsGroup to 10001"
		if err == nil || !strings.Contains(said.String(), want) {
			t.Errorf("%s: %v, %s", data, err, said.String())
		}
	}
}

// TestOrphans: a process whose parent has ended is waited for by the second look, and a child
// of this process is left to whoever started it for one look.
func TestOrphans(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) }()
	// The inner one ends when its standard input does, after its parent has.
	in, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "cat <&3 >/dev/null 2>&1 & echo $!")
	cmd.ExtraFiles = []*os.File{in}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	orphan, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	if seen := (zombies{}).reap(); seen[orphan] != "" {
		t.Fatal("it hasn't ended")
	}
	_ = hold.Close()
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, orphan, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil { // it is a zombie now
		t.Fatal(err)
	}
	seen := (zombies{}).reap()
	if seen[orphan] == "" {
		t.Fatalf("%d isn't among %v", orphan, seen)
	}
	if seen = seen.reap(); seen[orphan] != "" {
		t.Errorf("%d is still there", orphan)
	}
	if err := unix.Kill(orphan, 0); err != unix.ESRCH {
		t.Errorf("after it was waited for: %v", err)
	}
}

// TestFontCache: where the system has no cache of fonts that a worker can use, as in a
// container with a read-only root and without a home, the one in the data folder is used.
func TestFontCache(t *testing.T) {
	folder, data := t.TempDir(), t.TempDir()
	fonts, config := filepath.Join(folder, "fonts"), filepath.Join(folder, "fonts.conf")
	if err := os.Mkdir(fonts, 0o755); err != nil {
		t.Fatal(err)
	}
	text := `<fontconfig><dir>` + fonts + `</dir><cachedir>/proc/none</cachedir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>`
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := startProcessBy([]string{"env", "FONTCONFIG_FILE=" + config}, data, "sqlite", "--workers", "1")
	if err != nil {
		t.Fatal(err)
	}
	p.killAfter(t)
	if made, err := filepath.Glob(filepath.Join(data, "fonts", "fontconfig", "*.cache-*")); err != nil || len(made) == 0 {
		t.Errorf("no cache of fonts: %v, %v", made, err)
	}
	if said := p.log.String(); strings.Contains(said, "Fontconfig") {
		t.Errorf("warnings: %s", said)
	}
}
