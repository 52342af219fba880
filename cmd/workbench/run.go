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
	"workbench/models"
)

// runCmd compares models under loads.
type runCmd struct {
	Model     []string `sep:"none" placeholder:"SPEC" help:"Model to measure, such as pool:workers=4; again for more (all of them)." group:"What"`
	Reference string   `placeholder:"SPEC" help:"Model that the others are compared with; it takes part twice (goroutine)." group:"What"`
	Alone     bool     `help:"Leave the reference out." group:"What"`
	Scenario  []string `sep:"none" placeholder:"NAME" help:"Named load; again for more (keepalive, io and mixed)." group:"What"`

	Conversation          string `placeholder:"http|once" help:"What client and server speak (http)." group:"Load"`
	Clients               *int   `placeholder:"N" help:"Clients at once." group:"Load"`
	Think                 string `placeholder:"D" help:"What a client waits between connections, such as 5ms or exp:5ms." group:"Load"`
	RequestsPerConnection *int   `placeholder:"K" help:"Requests that a client sends on one connection." group:"Load"`
	Wait                  string `placeholder:"D" help:"Time that a request waits in the server without CPU: 5ms, exp:5ms, two:99%*2ms,1%*100ms." group:"Load"`
	Spin                  string `placeholder:"D" help:"CPU time that a request burns in the server." group:"Load"`
	Bytes                 string `placeholder:"B" help:"Size of an answer's body, such as 4KiB." group:"Load"`

	Seed   uint64         `default:"1" placeholder:"N" help:"Of everything that is drawn at random (${default})." group:"Experiment"`
	Budget *time.Duration `placeholder:"D" help:"Time for each experiment (50s; in the tour 20s)." group:"Experiment"`
	Blocks *int           `placeholder:"N" help:"Restarts of all processes (as many as the budget holds)." group:"Experiment"`
	Slice  *time.Duration `placeholder:"D" help:"Length of one look at one model (chosen by a pilot)." group:"Experiment"`
	Quick  bool           `help:"Five restarts with one round each, 5 to 15 s an experiment." group:"Experiment"`

	Engine     string `default:"net" placeholder:"net" help:"Clients that play the load (${default})." group:"Machine"`
	Backlog    int    `placeholder:"N" help:"Connections that may wait to be accepted (the system's limit)." group:"Machine"`
	ServerCPUs string `name:"server-cpus" placeholder:"LIST" help:"CPUs for the servers (the first)." group:"Machine"`
	LoadCPUs   string `name:"load-cpus" placeholder:"LIST" help:"CPUs for the clients (the others)." group:"Machine"`

	Out    string `default:"results" placeholder:"DIR" help:"Where the record goes (${default})." group:"Output"`
	Format string `default:"table" enum:"table,markdown,csv,json" placeholder:"table|markdown|csv|json" help:"What is printed (${default})." group:"Output"`

	Server         later `hidden:""`
	Attach         later `hidden:""`
	Rate           later `hidden:""`
	Idle           later `hidden:""`
	Request        later `hidden:""`
	ExpectStatus   later `hidden:""`
	AllowRemote    later `hidden:""`
	MaxConnections later `hidden:""`
	Precision      later `hidden:""`
	FailIf         later `hidden:""`
}

// The experiments of a run, unless told otherwise.
const (
	tourName      = "tour"
	defaultBudget = 50 * time.Second
	tourBudget    = 20 * time.Second
	quickBlocks   = 5
	unlimited     = 24 * time.Hour // where the number of blocks ends an experiment
	rounds        = 4              // of a block
	quickRounds   = 1              // so that five blocks fit in a quick look
	longestSlice  = 2 * time.Second
	shortSlice    = 300 * time.Millisecond
)

var tour = []string{"keepalive", "io", "mixed"}

// Run measures, writes the record and prints the answer.
func (c runCmd) Run(ctx context.Context, t terminal, args []string) error {
	plan, run, err := c.plan()
	if err != nil {
		return wrong(err)
	}
	if err := c.preflight(plan, t); err != nil {
		return err
	}
	run.Command = again(args, c.Seed)
	run.Environment = process.Environment(ctx)
	run.Environment.ServerCPUs, run.Environment.LoadCPUs = plan.ServerCPUs.String(), plan.LoadCPUs.String()
	if run.Environment.Backlog = c.Backlog; c.Backlog == 0 {
		run.Environment.Backlog = run.Environment.Somaxconn
	}
	if plan.SpinPerUs, err = process.Calibrate(ctx, plan.ServerCPUs); err != nil {
		return interrupted(ctx, err)
	}
	run.Environment.SpinPerUs = plan.SpinPerUs
	run.Started = time.Now().UTC()
	dir, err := result.Create(c.Out, run.Name, run.Started)
	if err != nil {
		return err
	}
	defer dir.Close()

	progress := newProgress(t.err, plan)
	progress.plan(plan)
	var summaries error
	run, err = trial.Run(ctx, plan, run, dir, trial.Watcher{
		Progress: progress.event,
		Done: func(run result.Run, i int) {
			progress.clear()
			if c.Format == "table" {
				printExperiment(t, run.Experiments[i], run)
			}
			summaries = writeSummaries(dir, run)
		},
	})
	progress.clear()
	if err = cmp.Or(err, summaries); err != nil {
		return fmt.Errorf("%w (what could be written is in %s)", err, dir.Path())
	}
	if err := c.print(t, run, dir.Path()); err != nil {
		return err
	}
	return verdict(ctx, run)
}

// plan makes the experiments that the flags ask for. It touches nothing: what
// is wrong here is wrong usage.
func (c runCmd) plan() (trial.Plan, result.Run, error) {
	none := func(err error) (trial.Plan, result.Run, error) { return trial.Plan{}, result.Run{}, err }
	entries, reference, err := c.entries()
	if err != nil {
		return none(err)
	}
	scenarios, name, err := c.scenarios()
	if err != nil {
		return none(err)
	}
	if err := process.CheckEngine(c.Engine); err != nil {
		return none(fmt.Errorf("--engine: %w", err))
	}
	if err := models.CheckBacklog(c.Backlog); err != nil {
		return none(fmt.Errorf("--backlog: %w", err))
	}
	p := trial.Plan{Setup: trial.Setup{Seed: c.Seed, Engine: c.Engine, Backlog: c.Backlog}}
	if p.ServerCPUs, p.LoadCPUs, err = c.cpus(process.Allowed()); err != nil {
		return none(err)
	}
	base := trial.Experiment{Entries: entries, Reference: reference, Budget: defaultBudget, Rounds: rounds, Most: longestSlice}
	if name == tourName {
		base.Budget = tourBudget
	}
	if c.Quick {
		base.Budget, base.Blocks, base.Rounds = unlimited, quickBlocks, quickRounds
		if len(scenarios) > 1 {
			base.Most = shortSlice // a tour has less time for each
		}
	}
	if err := c.limits(&base); err != nil {
		return none(err)
	}
	// The slices of the slowest model must leave the others most of the budget.
	base.Most = min(base.Most, max(base.Budget/20, shortSlice))
	for i, s := range scenarios {
		e := base
		e.Name, e.Scenario = s.Name, s
		if slices.ContainsFunc(scenarios[:i], func(o scenario.Scenario) bool { return o.Name == s.Name }) {
			return none(fmt.Errorf("--scenario %s is given twice", s.Name))
		}
		p.Experiments = append(p.Experiments, e)
	}
	return p, result.Run{Schema: result.RunSchema, Name: name, Seed: c.Seed, Quick: c.Quick, Engine: c.Engine}, nil
}

// limits applies --budget, --blocks and --slice.
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
	if c.Slice != nil {
		if e.Slice = *c.Slice; e.Slice < time.Millisecond || e.Slice > time.Minute {
			return fmt.Errorf("--slice %v: must be 1ms to 1m", e.Slice)
		}
	}
	return nil
}

// entries are the servers that take part: the reference and its twin first,
// then the models in the order given.
func (c runCmd) entries() (entries []result.Entry, reference string, err error) {
	specs := c.Model
	if c.Alone && c.Reference != "" {
		return nil, "", errors.New("--alone leaves out the reference that --reference names: say one of them")
	}
	if len(specs) == 0 {
		if c.Alone {
			return nil, "", errors.New("--alone leaves the reference out: say with --model what remains")
		}
		for _, m := range models.Catalogue() {
			specs = append(specs, m.Name)
		}
	}
	add := func(s models.Spec, twin bool) {
		label := s.String()
		for n := 2; slices.ContainsFunc(entries, func(e result.Entry) bool { return e.Label == label }); n++ {
			label = s.String() + "#" + strconv.Itoa(n)
		}
		entries = append(entries, result.Entry{Label: label, Model: s.Whole(), Display: s.Display(), Twin: twin})
	}
	if !c.Alone {
		ref, err := models.Parse(cmp.Or(c.Reference, "goroutine"))
		if err != nil {
			return nil, "", fmt.Errorf("--reference: %w", err)
		}
		add(ref, false)
		add(ref, true)
		reference = ref.String()
	}
	asked := false // for the reference, among the models
	for _, spec := range specs {
		s, err := models.Parse(spec)
		if err != nil {
			return nil, "", err
		}
		if s.String() == reference && !asked {
			asked = true // it takes part already
			continue
		}
		add(s, false)
	}
	return entries, reference, nil
}

// scenarios are the loads, and the run's name.
func (c runCmd) scenarios() (list []scenario.Scenario, name string, err error) {
	names := c.Scenario
	ownLoad := c.Conversation != "" || c.Think != "" || c.RequestsPerConnection != nil || c.Wait != "" || c.Spin != "" || c.Bytes != ""
	switch {
	case len(names) > 0:
		name = strings.Join(names, "-")
		for _, n := range names {
			s, err := scenario.Named(n)
			if err != nil {
				return nil, "", err
			}
			list = append(list, s)
		}
	case c.Conversation == scenario.ConversationOnce:
		s, err := scenario.Named("hello")
		if err != nil {
			return nil, "", err
		}
		list, name = append(list, s), "hello-once"
	case ownLoad:
		s, err := scenario.Named("hello")
		if err != nil {
			return nil, "", err
		}
		s.Name, s.Claim = scenario.Custom, ""
		list, name = append(list, s), scenario.Custom
	default:
		name = tourName
		for _, n := range tour {
			s, err := scenario.Named(n)
			if err != nil {
				return nil, "", err
			}
			list = append(list, s)
		}
	}
	for i := range list {
		if err := c.adjust(&list[i]); err != nil {
			return nil, "", err
		}
		if err := list[i].Validate(); err != nil {
			return nil, "", fmt.Errorf("%s: %w", list[i].Name, err)
		}
		if work := list[i].Wait.Mean() + list[i].Spin.Mean(); work >= list[i].Patience() {
			return nil, "", fmt.Errorf("%s: a request takes %v at work, and clients give up after %v", list[i].Name, work, list[i].Patience())
		}
	}
	return list, name, nil
}

// adjust applies the load's flags to a scenario.
func (c runCmd) adjust(s *scenario.Scenario) (err error) {
	if c.Conversation != "" {
		s.Conversation = c.Conversation
	}
	if c.Clients != nil {
		s.Clients = *c.Clients
	}
	if c.RequestsPerConnection != nil {
		s.RequestsPerConnection = *c.RequestsPerConnection
	}
	for _, f := range []struct {
		flag, value string
		to          *scenario.Dist
	}{{"--think", c.Think, &s.Think}, {"--wait", c.Wait, &s.Wait}, {"--spin", c.Spin, &s.Spin}} {
		if f.value == "" {
			continue
		}
		if *f.to, err = scenario.ParseDist(f.value); err != nil {
			return fmt.Errorf("%s: %w", f.flag, err)
		}
	}
	if c.Bytes != "" {
		if s.Bytes, err = scenario.ParseBytes(c.Bytes); err != nil {
			return fmt.Errorf("--bytes: %w", err)
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

// spareDescriptors is what a process needs beside a descriptor for each
// connection: its standard streams, the poller, the listener, connections
// that are closing while their successors are open.
const spareDescriptors = 100

// preflight finds what would spoil the run in its middle, before it starts.
func (c runCmd) preflight(p trial.Plan, t terminal) error {
	if err := result.CheckWritable(c.Out); err != nil {
		return err
	}
	for _, e := range p.Experiments {
		n := uint64(e.Scenario.Clients)
		if limit := process.DescriptorLimit(); limit > 0 && n+spareDescriptors > limit {
			return fmt.Errorf("%s: %d clients need %d descriptors, and a process here may have %d (fewer --clients, or raise the limit: ulimit -n)", e.Name, n, n+spareDescriptors, limit)
		}
		if ports := process.Ports(); ports > 0 && n > uint64(ports) {
			return fmt.Errorf("%s: %d clients need as many ports, and there are %d for them (fewer --clients, or widen net.ipv4.ip_local_port_range)", e.Name, n, ports)
		}
	}
	if shared(p.ServerCPUs, p.LoadCPUs) {
		fmt.Fprintln(t.err, "workbench: servers and clients share CPUs, so the clients take from the servers what they need: compare ratios, and trust small ones little")
	}
	return nil
}

// shared reports whether two processes share CPUs. One that isn't pinned may
// use them all.
func shared(a, b process.CPUs) bool {
	return len(a) == 0 || len(b) == 0 || len(a.Without(b)) < len(a)
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

// interrupted is err, or the interrupt that is behind it.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return exitError{exitInterrupted, errors.New("interrupted before anything was measured")}
	}
	return err
}

// writeSummaries writes what is made from the record for reading.
func writeSummaries(dir *result.Dir, run result.Run) error {
	return errors.Join(
		dir.WriteFile("answer.md", []byte(report.AnswerMarkdown(run))),
		dir.WriteFile("table.md", []byte(report.Markdown(run))),
		dir.WriteFile("table.csv", []byte(report.CSV(run))),
	)
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
		return exitError{exitInvalid, errors.New("no figure is valid: see the warnings")}
	}
	return nil
}
