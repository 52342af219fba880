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
	"slices"
	"strings"
	"sync"
	"time"
)

// roleVar is the environment variable that makes this program a child. What
// it is to do comes by request.
const roleVar = "WORKBENCH_CHILD"

// paddingVar is the environment variable that a server is padded with.
const paddingVar = "WORKBENCH_PADDING"

// MaxPadding is the most, in bytes, that a server's environment is padded with.
//
// The environment lies at the foot of the stack: its size, a longer user name,
// shifts what lies above against cache lines and pages, and has been seen to
// speed programs up or slow them down by more than what they were compared for
// (Mytkowicz et al., "Producing wrong data without doing anything obviously
// wrong!", ASPLOS 2009). Processes with paddings drawn at random over a page
// make that a part of the spread between blocks, where it is seen, instead of a
// bias, where it isn't.
const MaxPadding = 4096

// A child is a process of this very program that answers requests until its
// standard input closes.
type child struct {
	name    string // for errors: "the server pool"
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     io.Closer
	replies chan reply // closed when the child says no more
	said    *tail      // the end of what it wrote to standard error
	mark    string     // of a guardian: see markVar

	gone chan struct{} // closed when the process has been waited for
	exit error         // why it ended; valid once gone is closed
}

// start starts a child on cpus, or wherever the system likes if there are
// none. A child with a mark is to be a guardian. What is added to the
// environment is inherited: a command that a guardian starts has it too.
func start(name string, cpus CPUs, mark string, add ...string) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start %s: find this program: %w", name, err)
	}
	c := &child{name: name, said: &tail{}, mark: mark, replies: make(chan reply, 1), gone: make(chan struct{})}
	c.cmd = exec.Command(exe)
	c.cmd.Env = slices.Concat(os.Environ(), []string{roleVar + "=1"}, add)
	if mark != "" {
		c.cmd.Env = append(c.cmd.Env, markVar+"="+mark)
	}
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

// listen hands on what the child answers, and waits for its end, and for the
// end of what a guardian may have left behind.
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
	if c.mark != "" {
		endOrphans(c.mark)
	}
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
		c.end()
		return reply{}, fmt.Errorf("%s hung: it did not answer within %v, and was ended", c.name, limit.Round(100*time.Millisecond))
	case <-ctx.Done():
		c.end()
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
	if c.mark != "" {
		how = "is ended, since its guardian " + how
	}
	if err, ok := errors.AsType[*exec.ExitError](c.exit); ok {
		how += " (" + err.String() + ")"
	}
	if last := c.said.lastWords(); last != "" {
		how += ": " + last
	}
	return fmt.Errorf("%s %s", c.name, how)
}

// end ends a child that has not answered, at once; but a guardian has to ask
// the server that it guards to end, which takes its time.
func (c *child) end() {
	if c.mark != "" {
		c.stop()
	} else {
		c.kill()
	}
}

// stop closes the child's standard input, which ends it, and waits for it; one
// that doesn't end soon is killed: it has nothing to lose.
func (c *child) stop() {
	_ = c.in.Close()
	grace := stopGrace
	if c.mark != "" {
		grace += foreignGrace + killBound
	}
	select {
	case <-c.gone:
	case <-time.After(grace):
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

// lastWords is what a user is shown of a child's standard error: one line.
func (t *tail) lastWords() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return lastWords(t.b)
}

// lastWords picks the line out of an output that tells most of an end: that of
// a panic or a fatal error if there is one, else the last.
func lastWords(output []byte) string {
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	for _, l := range lines {
		if strings.HasPrefix(l, "panic:") || strings.HasPrefix(l, "fatal error:") {
			return l
		}
	}
	return lines[len(lines)-1]
}
