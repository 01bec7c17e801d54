//go:build linux && (amd64 || arm64)

package worker

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCallNumbers: the names that the filters of both architectures use stand for
// the numbers that the kernel documents. testdata/syscalls.txt has those of
// arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h, and
// all that may be let through is in it.
func TestCallNumbers(t *testing.T) {
	documented := documentedCalls(t)
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "golang.org/x/sys/unix").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := strings.TrimSpace(string(out))
	audits := constants(t, filepath.Join(dir, "zerrors_linux.go"))
	for _, arch := range []string{"amd64", "arm64"} {
		numbers := constants(t, filepath.Join(dir, "zsysnum_linux_"+arch+".go"))
		used := map[string]bool{}
		for _, file := range []string{"seccomp_linux.go", "seccomp_linux_" + arch + ".go"} {
			for _, name := range unixNames(t, file) {
				used[name] = true
			}
		}
		calls := 0
		for _, name := range slices.Sorted(maps.Keys(used)) {
			short, ok := strings.CutPrefix(name, "SYS_")
			if !ok {
				continue
			}
			calls++
			want, ok := documented[strings.ToLower(short)][arch]
			if !ok {
				t.Errorf("%s: %s is not in testdata/syscalls.txt, or not a call there", arch, name)
			} else if numbers[name] != want {
				t.Errorf("%s: %s is %d, documented as %d", arch, name, numbers[name], want)
			}
		}
		if calls < 70 {
			t.Errorf("%s: %d calls are let through; the test has missed some", arch, calls)
		}
		audit := map[string]string{"amd64": "AUDIT_ARCH_X86_64", "arm64": "AUDIT_ARCH_AARCH64"}[arch]
		if want := map[string]int{"amd64": 0xc000003e, "arm64": 0xc00000b7}[arch]; !used[audit] || audits[audit] != want {
			t.Errorf("%s: the filter is not for %#x", arch, want)
		}
	}
}

// documentedCalls are lines of a name and its number for each architecture, or "-".
func documentedCalls(t *testing.T) map[string]map[string]int {
	b, err := os.ReadFile("testdata/syscalls.txt")
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]map[string]int{}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) != 3 || strings.HasPrefix(line, "#") {
			continue
		}
		calls[f[0]] = map[string]int{}
		for i, arch := range []string{"amd64", "arm64"} {
			if n, err := strconv.Atoi(f[1+i]); err == nil {
				calls[f[0]][arch] = n
			}
		}
	}
	return calls
}

// constants are those of a Go file that are plain numbers.
func constants(t *testing.T, name string) map[string]int {
	f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int{}
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.INT {
				if n, err := strconv.ParseInt(lit.Value, 0, 64); err == nil {
					all[v.Names[0].Name] = int(n)
				}
			}
		}
		return true
	})
	return all
}

// unixNames are the names of package unix that a file uses to let calls through: all
// but those of the function that installs the filter.
func unixNames(t *testing.T, file string) (names []string) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			return n.Name.Name != "filterCalls"
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "unix" {
				names = append(names, n.Sel.Name)
			}
		}
		return true
	})
	return names
}

// TestFilterAnswers puts calls to the filter of this architecture.
func TestFilterAnswers(t *testing.T) {
	const (
		allow  = unix.SECCOMP_RET_ALLOW
		eperm  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
		enosys = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	)
	self := uint64(os.Getpid())
	thread := uint64(unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD)
	for _, c := range []struct {
		name        string
		nr          uint32
		args        []uint64
		files, none uint32 // with files to be read, and without
	}{
		{"read", unix.SYS_READ, nil, allow, allow},
		{"exit_group", unix.SYS_EXIT_GROUP, nil, allow, allow},
		{"a thread", unix.SYS_CLONE, []uint64{thread}, allow, allow},
		{"a process", unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, eperm, eperm},
		{"a process that shares memory", unix.SYS_CLONE, []uint64{unix.CLONE_VM}, eperm, eperm},
		{"clone3", unix.SYS_CLONE3, nil, enosys, enosys},
		{"a signal to itself", unix.SYS_TGKILL, []uint64{self}, allow, allow},
		{"a signal to another", unix.SYS_TGKILL, []uint64{self + 1}, eperm, eperm},
		{"a name", unix.SYS_PRCTL, []uint64{unix.PR_SET_NAME}, allow, allow},
		{"dumpable", unix.SYS_PRCTL, []uint64{unix.PR_SET_DUMPABLE}, eperm, eperm},
		{"its limits", unix.SYS_PRLIMIT64, []uint64{0, 0, 0, 1 << 40}, allow, allow},
		{"other limits", unix.SYS_PRLIMIT64, []uint64{0, 0, 1 << 40}, eperm, eperm},
		{"open to read", unix.SYS_OPENAT, []uint64{0, 0, unix.O_RDONLY | unix.O_CLOEXEC}, allow, eperm},
		{"open a folder", unix.SYS_OPENAT, []uint64{0, 0, unix.O_DIRECTORY}, allow, eperm},
		{"open to write", unix.SYS_OPENAT, []uint64{0, 0, unix.O_WRONLY}, eperm, eperm},
		{"open to create", unix.SYS_OPENAT, []uint64{0, 0, unix.O_CREAT}, eperm, eperm},
		{"open without a name", unix.SYS_OPENAT, []uint64{0, 0, unix.O_TMPFILE}, eperm, eperm},
		{"a socket", unix.SYS_SOCKET, nil, eperm, eperm},
		{"connect", unix.SYS_CONNECT, nil, eperm, eperm},
		{"sendto", unix.SYS_SENDTO, nil, eperm, eperm},
		{"execve", unix.SYS_EXECVE, nil, eperm, eperm},
		{"execveat", unix.SYS_EXECVEAT, nil, eperm, eperm},
		{"ptrace", unix.SYS_PTRACE, nil, eperm, eperm},
		{"kill", unix.SYS_KILL, nil, eperm, eperm},
		{"ioctl", unix.SYS_IOCTL, nil, eperm, eperm},
		{"openat2", unix.SYS_OPENAT2, nil, eperm, eperm},
		{"unlinkat", unix.SYS_UNLINKAT, nil, eperm, eperm},
		{"io_uring_setup", unix.SYS_IO_URING_SETUP, nil, eperm, eperm},
		{"a number that is no call", 4000, nil, eperm, eperm},
	} {
		for files, want := range map[bool]uint32{true: c.files, false: c.none} {
			if got := ask(t, compile(allowed(files)), auditArch, c.nr, c.args); got != want {
				t.Errorf("%s, files %t: answer %#x, want %#x", c.name, files, got, want)
			}
		}
	}
	if got := ask(t, compile(allowed(true)), auditArch^1, unix.SYS_READ, nil); got != unix.SECCOMP_RET_KILL_PROCESS {
		t.Errorf("by another architecture's numbers: %#x", got)
	}
}

// ask runs a filter as the kernel does, as far as compile goes.
func ask(t *testing.T, filter []unix.SockFilter, arch, nr uint32, args []uint64) uint32 {
	t.Helper()
	data := map[uint32]uint32{dataNr: nr, dataArch: arch}
	for i, a := range append(args, make([]uint64, 6-len(args))...) {
		data[uint32(dataArgs+8*i)], data[uint32(dataArgs+8*i+4)] = uint32(a), uint32(a>>32)
	}
	var acc uint32
	for i := 0; i < len(filter); i++ {
		switch f := filter[i]; f.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = data[f.K]
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			acc &= f.K
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			if acc == f.K {
				i += int(f.Jt)
			} else {
				i += int(f.Jf)
			}
		case unix.BPF_RET | unix.BPF_K:
			return f.K
		default:
			t.Fatalf("instruction %d: code %#x", i, f.Code)
		}
	}
	t.Fatal("the filter has no end")
	return 0
}
