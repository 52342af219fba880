package result

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// A child is this test's binary over again, for what can only be seen from
// outside: to be killed, or to run out of disk.
const childEnv, childDirEnv = "WORKBENCH_RESULT_CHILD", "WORKBENCH_RESULT_DIR"

var children = map[string]func(dir string) error{"sweep": sweepOn}

func TestMain(m *testing.M) {
	if do := children[os.Getenv(childEnv)]; do != nil {
		if err := do(os.Getenv(childDirEnv)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child starts one, and returns what it prints.
func child(t *testing.T, what, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childEnv+"="+what, childDirEnv+"="+dir)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewScanner(out)
}
