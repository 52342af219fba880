package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"workbench/harness/process"
	"workbench/harness/report"
	"workbench/harness/result"
	"workbench/harness/scenario"
	"workbench/harness/trial"
)

// runCmd compares models under loads.
type runCmd struct {
	Model     []string `sep:"none" placeholder:"SPEC" help:"Model to measure, such as pool:workers=4; again for more (all of them)." group:"What"`
	Reference string   `placeholder:"SPEC" help:"Model that the others are compared with; it takes part twice (goroutine)." group:"What"`
	Alone     bool     `help:"Leave the reference out." group:"What"`
	Server    []string `sep:"none" placeholder:"[NAME=]CMD" help:"Server of your own to measure beside the models: a command with {port} in it, such as './mine --port {port}'." group:"What"`
	Attach    []string `sep:"none" placeholder:"HOST:PORT[,pid=N]" help:"Server that runs already; with its pid its CPU and memory are seen too." group:"What"`
	Scenario  []string `sep:"none" placeholder:"NAME|FILE" help:"Named load, or a YAML file; again for more (keepalive, io and mixed)." group:"What"`

	Conversation          string `placeholder:"http|once" help:"What client and server speak (http)." group:"Load"`
	Clients               *int   `placeholder:"N" help:"Clients at once, each asking again when it is answered (closed loop)." group:"Load"`
	Rate                  string `placeholder:"R" help:"Requests a second that arrive whatever the server does (open loop), or capacity: what the reference answers at most." group:"Load"`
	Arrivals              string `placeholder:"poisson|constant" help:"How they arrive at --rate (poisson)." group:"Load"`
	Cycle                 string `placeholder:"D*X,..." help:"How --rate varies, again and again: 250ms*1,750ms*0." group:"Load"`
	Think                 string `placeholder:"D" help:"What a client waits between connections (with --rate: between the requests of one), such as 5ms or exp:5ms." group:"Load"`
	RequestsPerConnection *int   `placeholder:"K" help:"Requests that a client sends on one connection." group:"Load"`
	Wait                  string `placeholder:"D" help:"Time that a request waits in the server without CPU: 5ms, exp:5ms, two:99%*2ms,1%*100ms, lognormal:5ms,cs2=4." group:"Load"`
	Spin                  string `placeholder:"D" help:"CPU time that a request burns in the server." group:"Load"`
	Bytes                 string `placeholder:"B" help:"Size of an answer's body, such as 4KiB." group:"Load"`
	Idle                  *int   `placeholder:"H" help:"More connections, answered once and then held silent." group:"Load"`
	Slow                  string `placeholder:"P%*D" help:"Share of clients that dribble their requests, and for how long: 10%*200ms." group:"Load"`
	Timeout               string `placeholder:"D" help:"How long a client waits for an answer (10s)." group:"Load"`
	Request               string `placeholder:"FILE" help:"Send what is in this file instead, to every server; {host} in it is the server's address." group:"Load"`
	ExpectStatus          *int   `placeholder:"N" help:"Status of a right answer (200)." group:"Load"`
	AllowRemote           bool   `help:"Let load go to addresses that are not this machine's own." group:"Load"`

	instrument `embed:""`

	Seed   uint64         `default:"1" placeholder:"N" help:"Of everything that is drawn at random (${default})." group:"Experiment"`
	Budget *time.Duration `placeholder:"D" help:"Time for each experiment (50s; in the tour 20s)." group:"Experiment"`
	Blocks *int           `placeholder:"N" help:"Restarts of all processes (as many as the budget holds)." group:"Experiment"`
	Slice  *time.Duration `placeholder:"D" help:"Length of one look at one model (chosen by a pilot)." group:"Experiment"`
	Quick  bool           `help:"Five restarts with one round each, 5 to 15 s an experiment: a look without verdicts." group:"Experiment"`

	Precision string   `placeholder:"P%" help:"Half-width of an interval at which it is narrow enough to stop (3%)." group:"Experiment"`
	FailIf    []string `sep:"none" placeholder:"LIMIT" help:"Fail if a model differs so much from the reference: cpu>5%, throughput<-5%, p50 or p99 likewise; again for more." group:"Output"`

	ServerCPUs string `name:"server-cpus" placeholder:"LIST" help:"CPUs for the servers (the first)." group:"Machine"`
	LoadCPUs   string `name:"load-cpus" placeholder:"LIST" help:"CPUs for the clients (the others)." group:"Machine"`

	Out    string `default:"results" placeholder:"DIR" help:"Where the record goes (${default})." group:"Output"`
	Format string `default:"table" enum:"table,markdown,csv,json" placeholder:"table|markdown|csv|json" help:"What is printed (${default})." group:"Output"`
}

// The experiments of a run, unless told otherwise.
const (
	tourName      = "tour"
	defaultBudget = 50 * time.Second
	tourBudget    = 20 * time.Second
	// defaultPrecision is where most questions are answered, and what 50 s reach
	// on two cores.
	defaultPrecision = 0.03
	quickBlocks      = 5
	quickBudget      = 30 * time.Second // more than five blocks take, but of loads whose slices are long
	unlimited        = 24 * time.Hour   // where the number of blocks ends an experiment
	rounds           = 4                // of a block
	quickRounds      = 1                // so that five blocks fit in a quick look
	longestSlice     = 2 * time.Second
	shortSlice       = 300 * time.Millisecond
)

var tour = []string{"keepalive", "io", "mixed"}

// Run measures, writes the record and prints the answer.
func (c runCmd) Run(ctx context.Context, t terminal, args []string) error {
	plan, run, err := c.plan()
	if err != nil {
		return wrong(err)
	}
	gates, err := c.gates(plan)
	if err != nil {
		return wrong(err)
	}
	if err := result.CheckWritable(c.Out); err != nil {
		return err
	}
	run.Command = again(args, c.Seed)
	run, dir, err := c.conduct(ctx, t, undertaking{
		plan: plan, run: run,
		tour: c.comparableTour,
		open: func(run *result.Run) (*result.Dir, error) { return result.Create(c.Out, run.Name, run.Started) },
		done: func(run result.Run, i int) {
			if c.Format == "table" {
				printExperiment(t, run.Experiments[i], run)
			}
		},
	})
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := c.print(t, run, dir.Path()); err != nil {
		return err
	}
	return cmp.Or(verdict(ctx, run), judge(t.err, gates, run))
}

// plan makes the experiments that the flags ask for. It touches nothing but
// files that flags name: what is wrong here is wrong usage.
func (c runCmd) plan() (trial.Plan, result.Run, error) {
	none := func(err error) (trial.Plan, result.Run, error) { return trial.Plan{}, result.Run{}, err }
	if err := c.check(); err != nil {
		return none(err)
	}
	p := trial.Plan{Setup: c.setup(c.Seed)}
	var err error
	if p.Request, p.ExpectStatus, err = c.request(); err != nil {
		return none(err)
	}
	scenarios, name, err := c.scenarios()
	if err != nil {
		return none(err)
	}
	if p.Experiments, err = c.experiments(name, scenarios); err != nil {
		return none(err)
	}
	return p, result.Run{Schema: result.RunSchema, Name: name, Seed: c.Seed, Quick: c.Quick, Engine: c.Engine}, nil
}

// experiments are one for each scenario, over the same servers.
func (c runCmd) experiments(name string, scenarios []scenario.Scenario) (list []trial.Experiment, err error) {
	base := trial.Experiment{Budget: defaultBudget, Precision: defaultPrecision, Rounds: rounds, Most: longestSlice}
	if base.ServerCPUs, base.LoadCPUs, err = c.cpus(process.Allowed()); err != nil {
		return nil, err
	}
	if base.Entries, base.Reference, err = c.entries(); err != nil {
		return nil, err
	}
	if err := c.able(); err != nil {
		return nil, err
	}
	if name == tourName {
		base.Budget = tourBudget
	}
	if c.Quick {
		base.Budget, base.Blocks, base.Rounds = quickBudget, quickBlocks, quickRounds
		if len(scenarios) > 1 {
			base.Most = shortSlice // a tour has less time for each
		}
	}
	if err := c.limits(&base); err != nil {
		return nil, err
	}
	// The slices of the slowest model must leave the others most of the budget.
	base.Most = min(base.Most, max(base.Budget/20, shortSlice))
	for i, s := range scenarios {
		e := base
		e.Name, e.Scenario, e.Entries = s.Name, s, underScenario(base.Entries, s)
		if err := fitting(e); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(scenarios[:i], func(o scenario.Scenario) bool { return o.Name == s.Name }) {
			return nil, fmt.Errorf("--scenario %s is given twice", s.Name)
		}
		list = append(list, e)
	}
	return list, nil
}

// fitting refuses an experiment that can't be played as it is.
func fitting(e trial.Experiment) error {
	if cycle := e.Scenario.Cycle.Length(); cycle > e.Budget {
		return fmt.Errorf("%s: a cycle takes %v, and there is %v for all of them (--budget)", e.Name, cycle, e.Budget)
	}
	if ref := slices.IndexFunc(e.Entries, func(o result.Entry) bool { return o.Label == e.Reference && o.Attach != "" }); ref >= 0 && e.Scenario.Idle > 0 {
		return fmt.Errorf("%s: the reference %s runs already, so it and its twin are one process and would hold each other's connections: take another --reference, or --alone", e.Name, e.Reference)
	}
	return nil
}

// limits applies --budget, --precision, --blocks and --slice.
func (c runCmd) limits(e *trial.Experiment) error {
	if c.Budget != nil {
		if e.Budget = *c.Budget; e.Budget <= 0 {
			return fmt.Errorf("--budget %v: must be above 0", e.Budget)
		}
	}
	if c.Blocks != nil {
		if e.Blocks = *c.Blocks; e.Blocks < 1 {
			return fmt.Errorf("--blocks %d: must be at least 1", e.Blocks)
		}
		if c.Budget == nil { // so many blocks are wanted, however long they take
			e.Budget = unlimited
		}
	}
	if c.Precision != "" {
		var err error
		if e.Precision, err = scenario.ParsePrecision(c.Precision); err != nil {
			return fmt.Errorf("--precision: %w", err)
		}
	}
	if c.Slice != nil {
		if e.Slice = *c.Slice; e.Slice < time.Millisecond || e.Slice > time.Minute {
			return fmt.Errorf("--slice %v: must be 1ms to 1m", e.Slice)
		}
	}
	return nil
}

// cpus divides the CPUs that this process may use: the first for servers, the
// others for clients, unless told otherwise. Where there is only one, or no
// telling, nothing is pinned.
func (c runCmd) cpus(allowed process.CPUs) (server, clients process.CPUs, err error) {
	if len(allowed) == 0 && (c.ServerCPUs != "" || c.LoadCPUs != "") {
		return nil, nil, errors.New("--server-cpus and --load-cpus: this system doesn't let a process be pinned")
	}
	for _, f := range []struct {
		flag, value string
		to          *process.CPUs
	}{{"--server-cpus", c.ServerCPUs, &server}, {"--load-cpus", c.LoadCPUs, &clients}} {
		if f.value == "" {
			continue
		}
		if *f.to, err = process.ParseCPUs(f.value); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.flag, err)
		}
		if more := f.to.Without(allowed); len(more) > 0 {
			return nil, nil, fmt.Errorf("%s: CPU %v is not there for this process (it may use %v)", f.flag, more, allowed)
		}
	}
	if len(allowed) < 2 {
		return server, clients, nil
	}
	if server == nil {
		if server = allowed.Without(clients); len(server) == 0 {
			return nil, nil, fmt.Errorf("--load-cpus %s leaves the servers no CPU: say which with --server-cpus", c.LoadCPUs)
		}
		server = server[:1]
	}
	if clients == nil {
		if clients = allowed.Without(server); len(clients) == 0 {
			return nil, nil, fmt.Errorf("--server-cpus %s leaves the clients no CPU: say which with --load-cpus", c.ServerCPUs)
		}
	}
	return server, clients, nil
}

// again is the command that repeats the run: what was typed, and the seed.
func again(args []string, seed uint64) string {
	words := []string{"workbench"}
	seeded := false
	for _, a := range args {
		seeded = seeded || a == "--seed" || strings.HasPrefix(a, "--seed=")
		words = append(words, quote(a))
	}
	if !seeded {
		words = append(words, "--seed", strconv.FormatUint(seed, 10))
	}
	return strings.Join(words, " ")
}

// quote makes one word of a for a POSIX shell.
func quote(a string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_=:,./+%@#", r)
	}
	if a != "" && strings.IndexFunc(a, func(r rune) bool { return !plain(r) }) < 0 && a[0] != '#' {
		return a
	}
	return "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
}

// printExperiment prints an experiment that is over: its head, its table, its
// answer.
func printExperiment(t terminal, e result.Experiment, run result.Run) {
	columns := width(t.out.Writer)
	fmt.Fprintf(t.out, "%s\n%s\n%s\n", report.Wrap(report.Header(e, run), columns), report.Table(e, columns), report.Wrap(report.Answer(e), columns))
}

// print prints what is printed at the end.
func (c runCmd) print(t terminal, run result.Run, record string) error {
	var err error
	switch c.Format {
	case "json":
		err = run.Encode(t.out)
	case "csv":
		_, err = fmt.Fprint(t.out, report.CSV(run))
	case "markdown":
		_, err = fmt.Fprint(t.out, report.AnswerMarkdown(run))
	default:
		_, err = fmt.Fprintln(t.out, report.Again(run, record))
	}
	if err != nil {
		return fmt.Errorf("print the result: %w (it is kept in %s)", err, record)
	}
	return nil
}

// verdict is how the run ends for whoever started it.
func verdict(ctx context.Context, run result.Run) error {
	if ctx.Err() != nil {
		return exitError{exitInterrupted, nil}
	}
	var failed []string
	valid := false
	for _, e := range run.Experiments {
		for _, f := range e.Failures {
			failed = append(failed, fmt.Sprintf("%s under %s: %s", f.Label, e.Name, f.Reason))
		}
		for _, cell := range e.Cells {
			valid = valid || cell.Valid
		}
	}
	switch {
	case len(failed) > 0:
		return fmt.Errorf("failed: %s", strings.Join(failed, "; "))
	case !valid:
		return exitError{exitInvalid, errors.New("no figure is valid: the answer says why")}
	}
	return nil
}
