//go:build cgo && linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A target is a server that is measured. Its fields are those of peers.json, in which
// {corpus} stands for the folder of the corpus, and $PEERS for that of peers.json.
type target struct {
	Name   string            `json:"name"`
	Start  string            `json:"start"`  // shell command that stays in the foreground
	Ready  string            `json:"ready"`  // URL that answers when the server does
	URL    string            `json:"url"`    // with {file}, {w}, {fmt} and {q}
	URLs   map[string]string `json:"urls"`   // for single works; "-" is none
	FmtMap map[string]string `json:"fmtmap"` // names of formats

	ours    bool
	command *exec.Cmd
	log     bytes.Buffer
}

// peers reads peers.json in a folder. It leaves out what isn't a server, and Tintype.
func peers(dir string) ([]*target, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, "peers.json"))
	if err != nil {
		return nil, err
	}
	var file struct {
		Vars    map[string]string `json:"vars"`
		Targets []*target         `json:"targets"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return nil, fmt.Errorf("peers.json: %w", err)
	}
	value := func(name string) string {
		if name == "PEERS" {
			return dir
		}
		if v := os.Getenv(name); v != "" {
			return v
		}
		return file.Vars[name]
	}
	for _, t := range file.Targets {
		t.Start = os.Expand(t.Start, value)
	}
	return slices.DeleteFunc(file.Targets, func(t *target) bool { return t.Start == "" || t.Name == "tintype" }), nil
}

// tintype is a server of ours on free ports, with these flags besides.
func tintype(binary, data string, port int, flags string) *target {
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	return &target{
		Name: "tintype", ours: true,
		Start: fmt.Sprintf("'%s' serve --drain 0s --data '%s' --listen 127.0.0.1:%d --ops-listen 127.0.0.1:%d --dir 'demo/c={corpus}' %s", binary, data, port, port+1, flags),
		Ready: fmt.Sprintf("http://127.0.0.1:%d/readyz", port+1),
		URL:   base + "/demo/c/{file}?w={w}&format={fmt}&q={q}",
	}
}

var client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}

// begin starts the server and waits until it answers. It returns how long that took.
func (t *target) begin(corpus string) (time.Duration, error) {
	t.command = exec.Command("sh", "-c", "exec "+strings.ReplaceAll(t.Start, "{corpus}", corpus))
	t.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	t.command.Stdout, t.command.Stderr = &t.log, &t.log
	start := time.Now()
	if err := t.command.Start(); err != nil {
		return 0, err
	}
	gone := make(chan struct{})
	go func() {
		_ = t.command.Wait()
		close(gone)
	}()
	for time.Since(start) < 30*time.Second {
		if res, err := client.Get(t.Ready); err == nil {
			_ = res.Body.Close()
			if !t.ours || res.StatusCode == http.StatusOK {
				return time.Since(start), nil
			}
		}
		select {
		case <-gone:
			said := strings.TrimSpace(t.log.String())
			return 0, fmt.Errorf("%s ended: %s", t.Name, said[max(0, len(said)-500):])
		case <-time.After(2 * time.Millisecond):
		}
	}
	t.end()
	return 0, fmt.Errorf("%s doesn't answer at %s", t.Name, t.Ready)
}

// end stops the server with all of its processes.
func (t *target) end() {
	pid := t.command.Process.Pid
	_ = syscall.Kill(-pid, syscall.SIGTERM)
	for range 3000 {
		if syscall.Kill(-pid, 0) != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL)
}

// address returns the URL of a variant, or "" where the server doesn't make such.
func (t *target) address(w work, file string, width int) string {
	url, quality := t.URL, w.quality
	if t.ours {
		quality = w.ours
	}
	if special, ok := t.URLs[w.key]; ok {
		url = special
	}
	if url == "-" {
		return ""
	}
	format := string(w.to)
	if name, ok := t.FmtMap[format]; ok {
		format = name
	}
	return strings.NewReplacer("{file}", file, "{w}", strconv.Itoa(width), "{fmt}", format, "{q}", strconv.Itoa(quality)).Replace(url)
}

// get returns an answer, which must be 200.
func get(url string) ([]byte, error) {
	res, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d: %.200s", url, res.StatusCode, b)
	}
	return b, err
}

// tree returns a process and all that it has started, directly or not.
func tree(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children(all[i])...)
	}
	return all
}

// used returns the processor time of the server's processes, with those that have ended.
func (t *target) used() (sum time.Duration) {
	for _, pid := range tree(t.command.Process.Pid) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if err != nil || len(fields) < 15 {
			continue
		}
		const first, last, tick = 11, 14, 10 * time.Millisecond // utime to cstime, see proc_pid_stat(5)
		for _, f := range fields[first : last+1] {
			n, _ := strconv.Atoi(f)
			sum += time.Duration(n) * tick
		}
	}
	return sum
}

// memory returns the memory of the server's processes in bytes. Shared pages count once.
func (t *target) memory() (sum int64) {
	for _, pid := range tree(t.command.Process.Pid) {
		sum += rollup(pid, "Pss:")
	}
	return sum
}
