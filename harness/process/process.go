package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// roleVar is the environment variable that makes this program a child. What
// it is to do comes by request.
const roleVar = "WORKBENCH_CHILD"

// A child is a process of this very program that answers requests until its
// standard input closes.
type child struct {
	name    string // for errors: "the server pool"
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     io.Closer
	replies chan reply // closed when the child says no more
	said    *tail      // the end of what it wrote to standard error

	gone chan struct{} // closed when the process has been waited for
	exit error         // why it ended; valid once gone is closed
}

// start starts a child on cpus, or wherever the system likes if there are
// none.
func start(name string, cpus CPUs) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start %s: find this program: %w", name, err)
	}
	c := &child{name: name, said: &tail{}, replies: make(chan reply, 1), gone: make(chan struct{})}
	c.cmd = exec.Command(exe)
	c.cmd.Env = append(os.Environ(), roleVar+"=1")
	c.cmd.Stderr = c.said
	c.cmd.WaitDelay = time.Second // for standard error, which a descendant may keep
	apart(c.cmd)
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := onCPUs(cpus, c.cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c.out = out
	go c.listen(out)
	return c, nil
}

// listen hands on what the child answers, and waits for its end.
func (c *child) listen(out io.Reader) {
	defer close(c.gone)
	defer close(c.replies)
	for d := json.NewDecoder(bufio.NewReader(out)); ; {
		var r reply
		if err := d.Decode(&r); err != nil {
			break
		}
		c.replies <- r
	}
	c.exit = c.cmd.Wait()
}

// ask sends a request and waits for its reply, for at most limit. A child that
// doesn't answer in time is ended: nobody knows what it is doing.
func (c *child) ask(ctx context.Context, limit time.Duration, q request) (reply, error) {
	line, err := json.Marshal(q)
	if err != nil {
		return reply{}, fmt.Errorf("ask %s: %w", c.name, err)
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	if _, err := c.in.Write(append(line, '\n')); err != nil {
		return reply{}, c.ended(ctx)
	}
	take := func(r reply, ok bool) (reply, error) {
		switch {
		case !ok:
			return reply{}, c.ended(ctx)
		case r.Error != "":
			return reply{}, fmt.Errorf("%s: %s", c.name, r.Error)
		}
		return r, nil
	}
	select {
	case r, ok := <-c.replies:
		return take(r, ok)
	case <-timer.C:
		// This process may have been suspended, and the answer be there.
		select {
		case r, ok := <-c.replies:
			return take(r, ok)
		case <-time.After(answerGrace):
		}
		c.kill()
		return reply{}, fmt.Errorf("%s hung: it did not answer within %v, and was ended", c.name, limit.Round(100*time.Millisecond))
	case <-ctx.Done():
		c.kill()
		return reply{}, ctx.Err()
	}
}

// answerGrace is how long an answer has that is late on every clock.
const answerGrace = 100 * time.Millisecond

// ended says how the child came to its end, which is near.
func (c *child) ended(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	select {
	case <-c.gone:
	case <-time.After(time.Second): // its output is closed, but it still runs
		c.kill()
	}
	how := "exited in the middle"
	if err, ok := errors.AsType[*exec.ExitError](c.exit); ok {
		how += " (" + err.String() + ")"
	}
	if last := c.said.lastWords(); last != "" {
		how += ": " + last
	}
	return fmt.Errorf("%s %s", c.name, how)
}

// stop closes the child's standard input, which ends it, and waits for it; one
// that doesn't end soon is killed: it has nothing to lose.
func (c *child) stop() {
	_ = c.in.Close()
	select {
	case <-c.gone:
	case <-time.After(stopGrace):
		c.kill()
	}
}

// stopGrace is how long a child has to notice that its input is closed.
const stopGrace = 200 * time.Millisecond

// kill ends the child at once and waits for it.
func (c *child) kill() {
	_ = c.in.Close()
	_ = c.cmd.Process.Kill()
	_ = c.out.Close() // a descendant may keep the other end
	// A reply that nobody took must not keep listen from its end.
	for range c.replies {
	}
	<-c.gone
}

// tail keeps the last bytes written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if n := len(t.b) - tailSize; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}

// lastWords is what a user is shown of a child's standard error: one line, that
// of a panic or a fatal error if there is one, else the last.
func (t *tail) lastWords() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.b)), "\n")
	for _, l := range lines {
		if strings.HasPrefix(l, "panic:") || strings.HasPrefix(l, "fatal error:") {
			return l
		}
	}
	return lines[len(lines)-1]
}
