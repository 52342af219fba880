package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"workbench/harness/result"
)

// Environment describes this machine and this build. What the system doesn't
// tell is left empty. GOMAXPROCS, pinning and calibration are for the caller
// to fill in.
func Environment(ctx context.Context) result.Environment {
	e := result.Environment{
		OS:              runtime.GOOS,
		Arch:            runtime.GOARCH,
		CPUs:            runtime.NumCPU(),
		GoVersion:       runtime.Version(),
		GOGC:            os.Getenv("GOGC"),
		DescriptorLimit: DescriptorLimit(),
	}
	if e.GOGC == "" {
		e.GOGC = "100" // the runtime's default
	}
	e.Revision, e.Dirty = revision(ctx)
	describeSystem(&e)
	return e
}

// revision is the commit that this program was built from: as stamped into
// it, or, since "go run" stamps nothing, that of the working directory.
func revision(ctx context.Context) (commit string, dirty bool) {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				commit = s.Value
			case "vcs.modified":
				dirty = s.Value == "true"
			}
		}
	}
	if commit != "" {
		return commit, dirty
	}
	if module, err := os.ReadFile("go.mod"); err != nil || !strings.HasPrefix(string(module), "module workbench\n") {
		return "unknown", false // the working directory is not ours
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	head, err := exec.CommandContext(ctx, "git", "rev-parse", "HEAD").Output()
	if err != nil {
		return "unknown", false
	}
	changes, err := exec.CommandContext(ctx, "git", "status", "--porcelain").Output()
	return strings.TrimSpace(string(head)), err != nil || len(changes) > 0
}

// Ports is how many ports a client address here has for connections to one
// server; 0 where there is no telling.
func Ports() int {
	var e result.Environment
	describeSystem(&e)
	var low, high int
	if n, _ := fmt.Sscanf(e.PortRange, "%d-%d", &low, &high); n != 2 {
		return 0
	}
	return high - low + 1
}
