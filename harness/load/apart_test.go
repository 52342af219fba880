package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// Where a test has a server on sockets, its engine plays in a process of its
// own, which is this test's binary again. So it does in earnest; and an engine
// may hold the processors of its process for as long as it likes, which a
// server in the same process would be the first to suffer from.

const apartEngine = "WORKBENCH_LOAD_TEST_ENGINE" // environment: which engine this process plays with

func TestMain(m *testing.M) {
	if name, ok := os.LookupEnv(apartEngine); ok {
		if err := playApart(name); err != nil {
			fmt.Fprintf(os.Stderr, "engine %q in a process of its own: %v\n", name, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		for _, e := range enginesApart {
			if err := e.end(); err != nil { // a race, or a goroutine left, in that process
				fmt.Fprintf(os.Stderr, "engine %q in a process of its own: %v\n", e.name, err)
				code = max(code, 1)
			}
		}
		os.Exit(code)
	}))
}

// An order is what a process with an engine is told: to play a job, or to cut
// short the one that it plays.
type order struct {
	Number int
	Job    *Job // nil: cut it short
}

// A reply is what comes of a job.
type reply struct {
	Outcome Outcome
	Error   string
}

// playApart is such a process. It lives as long as its standard input.
func playApart(name string) error {
	e, err := New(name)
	if err != nil {
		return err
	}
	orders, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var playing sync.WaitGroup
	cut, number := make(chan struct{}), 0
	for {
		var o order
		if err := orders.Decode(&o); err != nil {
			close(cut)
			playing.Wait()
			if errors.Is(err, io.EOF) {
				err = goleak.Find()
			}
			return err
		}
		switch {
		case o.Job != nil:
			mine := make(chan struct{})
			cut, number = mine, o.Number
			playing.Go(func() {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				playing.Go(func() {
					select {
					case <-mine:
						cancel()
					case <-ctx.Done():
					}
				})
				outcome, err := e.Play(ctx, *o.Job, nil)
				r := reply{Outcome: outcome}
				if err != nil {
					r.Error = err.Error()
				}
				out.Encode(r)
			})
		case o.Number == number: // and not one that is over
			close(cut)
			cut, number = make(chan struct{}), 0
		}
	}
}

// An apart is an engine in a process of its own.
type apart struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	in    *json.Decoder

	mu     sync.Mutex // of orders
	orders *json.Encoder
	number int
}

var enginesApart = map[string]*apart{}

// engineApart starts the engine, if none of that name has been.
func engineApart(t *testing.T, name string) Engine {
	t.Helper()
	if e := enginesApart[name]; e != nil {
		return e
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e := &apart{name: name, cmd: exec.Command(executable)}
	e.cmd.Env = append(os.Environ(), apartEngine+"="+name)
	e.cmd.Stderr = os.Stderr
	if e.stdin, err = e.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := e.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e.orders, e.in = json.NewEncoder(e.stdin), json.NewDecoder(stdout)
	enginesApart[name] = e
	return e
}

func (e *apart) Name() string { return e.name }

func (e *apart) order(o order) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.orders.Encode(o)
}

func (e *apart) Play(ctx context.Context, job Job, _ func() error) (Outcome, error) {
	e.number++
	number := e.number
	if err := e.order(order{number, &job}); err != nil {
		return Outcome{}, err
	}
	defer context.AfterFunc(ctx, func() { e.order(order{Number: number}) })()
	var r reply
	if err := e.in.Decode(&r); err != nil {
		return Outcome{}, fmt.Errorf("the process of engine %q: %w", e.name, err)
	}
	switch {
	case r.Error == "":
		return r.Outcome, nil
	case ctx.Err() != nil && r.Error == ctx.Err().Error():
		return r.Outcome, ctx.Err()
	}
	return r.Outcome, errors.New(r.Error)
}

func (e *apart) end() error {
	e.stdin.Close()
	return e.cmd.Wait()
}
