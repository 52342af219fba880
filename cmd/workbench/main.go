// Workbench compares how servers may schedule their connections.
//
// It runs interchangeable servers (iterative, a goroutine per connection, a
// fixed pool, a bounded group) that differ in their scheduling alone, plays
// identical load against each in processes of their own, and says what
// differs, by how much, and what limited each.
//
//	workbench run                        a tour of about a minute
//	workbench run --scenario io --model pool:workers=4
//	workbench sweep scripts/clients.yaml a grid of experiments
//	workbench compare A B                two results of different times
//	workbench report DIR                 all tables, made again from the slices
//	workbench cite DIR                   one sentence to quote
//	workbench serve --model iterative    a server to talk to
//	workbench models                     what there is
//	workbench models new NAME            a model of your own to begin with
//	workbench scenarios
//	workbench doctor                     what on this machine would spoil a run
//
// Results go to standard output, progress and warnings to standard error.
// It exits with 0 when done, 1 when something failed, 2 on wrong usage, 3 when
// it measured but no figure is valid, 4 when a limit of --fail-if is exceeded, 5
// when one is neither exceeded nor kept for certain, and 130 when interrupted,
// the record kept.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"workbench/harness/load"
	"workbench/harness/process"
)

// Exit codes.
const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2
	exitInvalid      = 3
	exitExceeded     = 4
	exitInconclusive = 5
	exitInterrupted  = 130
)

func main() {
	if code, child := process.RunChild(); child {
		os.Exit(code)
	}
	// Whoever reads our output may stop reading, as head does: that is an error
	// of writing, and no reason to lose what is being measured.
	signal.Ignore(syscall.SIGPIPE)
	// Ctrl-C, SIGTERM and a terminal that is closed end gently; the second one
	// ends at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	os.Exit(Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// commands are what the program can do.
type commands struct {
	Run       runCmd       `cmd:"" help:"Compare models under a load, and say what differs."`
	Sweep     sweepCmd     `cmd:"" help:"Play a grid of experiments from a file; killed, it goes on where it was."`
	Compare   compareCmd   `cmd:"" help:"Say what changed between two results of different times."`
	Report    reportCmd    `cmd:"" help:"Make all tables of a result again from its slices."`
	Cite      citeCmd      `cmd:"" help:"Say a result in one sentence to quote, with all that is needed to repeat it."`
	Serve     serveCmd     `cmd:"" help:"Run one model as a server that a browser, curl, telnet or a load tool can talk to."`
	Models    modelsCmd    `cmd:"" help:"List the models and their parameters, or begin a model of your own."`
	Scenarios scenariosCmd `cmd:"" help:"List the named loads, or show one as flags and as a file to start from."`
	Doctor    doctorCmd    `cmd:"" help:"Say what on this machine would spoil a measurement, and the cure."`

	Clients clientsCmd `cmd:"" hidden:"" help:"Play our clients alone against a server that runs already (for scripts)."`
}

// terminal is where a command writes to.
type terminal struct {
	out *output   // results
	err io.Writer // progress, warnings
}

// Main runs the command that args name and returns the code to exit with.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c commands
	exited := -1 // by --help
	parser, err := kong.New(&c,
		kong.Name("workbench"),
		kong.Description("Compares how servers may schedule their connections: same listener, same conversation, same load, another concurrency model."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{"engine": load.DefaultEngine()},
		kong.Bind(args),
	)
	if err != nil {
		fmt.Fprintln(stderr, "workbench:", err)
		return exitFailed
	}
	k, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintln(stderr, "workbench:", usageHint(err))
		return exitUsage
	}
	k.BindTo(ctx, (*context.Context)(nil))
	out := &output{Writer: stdout}
	k.Bind(terminal{out, stderr})
	if err := cmp.Or(k.Run(), out.failed()); err != nil {
		end := errorOf(err)
		if end.err != nil {
			fmt.Fprintln(stderr, "workbench:", strings.ReplaceAll(end.err.Error(), "\n", "; "))
		}
		return end.code
	}
	return exitDone
}

// output is standard output. It remembers what went wrong, so that not every
// line that is printed needs a look.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.Writer.Write(b)
	o.err = err
	return n, err
}

func (o *output) failed() error {
	if o.err != nil {
		return fmt.Errorf("not all could be printed: %w", o.err)
	}
	return nil
}

// exitError ends the program with a code. What there is to say, if anything,
// is one line.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string { return e.err.Error() }
func (e exitError) Unwrap() error { return e.err }

// wrong is an error of usage: what the user asked for makes no sense.
func wrong(err error) error { return exitError{exitUsage, err} }

// errorOf returns err as an exitError: a failure, unless it says otherwise.
func errorOf(err error) exitError {
	if end, ok := errors.AsType[exitError](err); ok {
		return end
	}
	return exitError{exitFailed, err}
}

// usageHint names what would be right where the parser of flags doesn't.
func usageHint(err error) error {
	parse, ok := errors.AsType[*kong.ParseError](err)
	if !ok {
		return err
	}
	text := err.Error()
	switch node := parse.Context.Selected(); {
	case strings.Contains(text, "unknown flag") && node != nil:
		var flags []string
		for _, group := range node.AllFlags(true) {
			for _, f := range group {
				flags = append(flags, "--"+f.Name)
			}
		}
		return fmt.Errorf("%w (flags: %s)", err, strings.Join(flags, " "))
	case node == nil:
		return fmt.Errorf("%w (commands: run, sweep, compare, report, cite, serve, models, scenarios, doctor; see workbench --help)", err)
	}
	return err
}
