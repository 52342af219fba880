// Package trial is the experiment: it visits servers in short slices, in
// random order, round after round, over fresh processes, and writes down what
// each slice gave before the next begins.
//
// Its position: on a machine whose speed drifts, only what is measured side by
// side can be compared. So every model of a round plays the same place of the
// plan within the same second or so, the order is drawn anew each round, and
// processes are started anew for each block, since two processes of one and
// the same program differ too. The reference takes part twice; its twin shows
// what a difference of nothing looks like here.
package trial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"workbench/harness/analysis"
	"workbench/harness/process"
	"workbench/harness/result"
	"workbench/harness/scenario"
)

// A Plan is what a run does: experiments, one after the other, under one
// setup.
type Plan struct {
	Setup
	Experiments []Experiment
}

// Setup is what all experiments of a run share.
type Setup struct {
	Seed      uint64
	Engine    string  // of the clients
	Backlog   int     // connections; 0 is the system's limit
	SpinPerUs float64 // from process.Calibrate

	MaxConnections int    // of open loops; 0 is the clients' own bound
	Request        []byte // sent instead of what scenarios ask for, if any
	ExpectStatus   int    // of a right answer; 0 is 200
}

// An Experiment is one scenario over some models.
type Experiment struct {
	Name       string // unique in the plan, fit for a file's name
	Scenario   scenario.Scenario
	Entries    []result.Entry
	Reference  string // label of an entry; "" where a model runs alone
	ServerCPUs process.CPUs
	LoadCPUs   process.CPUs
	Grid       int             // of a sweep, from 0
	Axes       []scenario.Axis // where in the grid it lies

	Budget    time.Duration // no block begins that would not end within it, as far as can be foreseen; the pilot is not in it
	Precision float64       // half-width at which every ranked interval is narrow enough; 0 for never
	Blocks    int           // at most so many; 0 for as many as the budget holds
	Rounds    int           // of a block, at most: fewer make room for more blocks
	Slice     time.Duration // length of a counted window; 0 for what the pilot says
	Most      time.Duration // the longest window that the pilot may choose
}

// What slices are made of.
const (
	ShortestSlice  = 50 * time.Millisecond
	shortestSettle = 15 * time.Millisecond
	longestSettle  = 5 * time.Second
	pilotSettle    = 250 * time.Millisecond // at most, in a pilot: what comes later is foreseen
	warmUp         = 20 * time.Millisecond
	completions    = 200 // that a window should see
	largeAfter     = 3   // rounds
)

// idlePatience is how long a server may go on working for clients that have
// gone, before it is replaced by a fresh one.
const idlePatience = 2 * time.Second

// An Event is progress, for whoever watches.
type Event struct {
	Experiment int // from 0
	Doing      string
	Block      int // the block at hand, from 1; 0 in the pilot
	Elapsed    time.Duration
	Notable    bool                // worth a line of its own even where nobody watches
	Forecast   *Forecast           // once the pilot is over, and with every event after it
	Narrow     *analysis.Narrowing // how wide intervals are, from the end of the second block on
}

// A Watcher is told how a run gets on, on the goroutine that runs it, between
// slices.
type Watcher struct {
	Progress func(Event)
	Done     func(run result.Run, experiment int) // an experiment is over, however it ended; run is all so far
}

// Over reports whether an experiment has been played to its end, so that taking
// a record up again has nothing to do for it.
func Over(e result.Experiment) bool { return e.StoppedBy != "" && e.StoppedBy != stoppedByInterrupt }

const stoppedByInterrupt = "interrupt"

// Run plays the plan and returns what was seen. run brings what is known
// before: name, command, environment; and, where a record is taken up again,
// its experiments. Those of the plan that are [Over] are left as they are, and
// the others are begun anew, what was seen of them set aside. What the plan
// doesn't have stays, after what it has.
// The record in dir is complete up to the slice at hand whenever the program
// should die. An error means that the
// record could not be written, or that nothing could be started; what was
// measured until then is returned with it. When ctx is done Run ends within
// a second, but for servers that are not ours and take their time to end, and
// says so in StoppedBy. StoppedBy is "budget" when time or the blocks were over,
// "precision" when every interval was as narrow as asked for, or every model
// that still worked was large, or none could take part, so that no further round
// could say more, and "failure" when all had failed.
func Run(ctx context.Context, plan Plan, run result.Run, dir *result.Dir, w Watcher) (result.Run, error) {
	before := process.LookAtHost()
	stolen := run.Environment.StealUs
	run.Experiments = join(plan, run.Experiments)
	run.StoppedBy = "" // a kill must not leave the word of the time before
	if err := dir.WriteRun(run); err != nil {
		return run, err
	}
	for i, e := range plan.Experiments {
		if Over(run.Experiments[i]) {
			continue
		}
		if err := dir.SetAside(e.Name); err != nil {
			return run, err
		}
		t := &trial{Setup: plan.Setup, exp: e, out: &run.Experiments[i], tell: func(ev Event) {
			ev.Experiment = i
			w.Progress(ev)
		}}
		t.save = func() error {
			run.Environment.GOMAXPROCS = max(run.Environment.GOMAXPROCS, t.gomaxprocs)
			run.Environment.StealUs = stolen + process.LookAtHost().Since(before).StealUs
			return dir.WriteRun(run)
		}
		err := t.run(ctx, dir)
		run.StoppedBy = t.out.StoppedBy
		err = cmp.Or(err, t.save())
		w.Done(run, i)
		if err != nil {
			return run, err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return run, nil
}

// join is the plan's experiments in its order, those that are over as before has
// them, and after them what before has and the plan doesn't: what a server can be
// compared under may have changed since, and nothing measured is dropped for that.
func join(plan Plan, before []result.Experiment) []result.Experiment {
	left := slices.Clone(before)
	var joined []result.Experiment
	for _, e := range plan.Experiments {
		x := describe(e, plan.Seed)
		if i := slices.IndexFunc(left, func(b result.Experiment) bool { return b.Name == e.Name }); i >= 0 {
			if Over(left[i]) {
				x = left[i]
			}
			left = slices.Delete(left, i, i+1)
		}
		joined = append(joined, x)
	}
	return append(joined, left...)
}

// describe is an experiment's part of the record before anything is measured.
func describe(e Experiment, seed uint64) result.Experiment {
	return result.Experiment{
		Name:        e.Name,
		Scenario:    e.Scenario.Name,
		Load:        e.Scenario,
		Flags:       e.Scenario.Flags(),
		Clients:     e.Scenario.Clients,
		Rate:        e.Scenario.Rate,
		Loop:        e.Scenario.Loop,
		PlanDigest:  digest(e.Scenario, seed),
		Reference:   e.Reference,
		Grid:        e.Grid,
		Axes:        e.Axes,
		ServerCPUs:  e.ServerCPUs.String(),
		LoadCPUs:    e.LoadCPUs.String(),
		BudgetS:     e.Budget.Seconds(),
		Precision:   e.Precision,
		BlocksAsked: e.Blocks,
		Entries:     e.Entries,
	}
}

// digest names the plan, "" as long as its rate isn't known.
func digest(s scenario.Scenario, seed uint64) string {
	if !s.Resolved() {
		return ""
	}
	return scenario.NewPlan(s, seed).Digest()
}

// A trial is one experiment at work.
type trial struct {
	Setup
	exp  Experiment
	out  *result.Experiment
	log  *result.SliceLog
	tell func(Event)
	save func() error // writes the run down as it is known so far

	begun        time.Time // when the first block did
	forecast     *Forecast // once the pilot is over
	narrow       *analysis.Narrowing
	settleAtMost time.Duration // of slices, to make room for blocks; 0 for as long as the pilot says
	hangUp       bool          // slices of models that drain for long end with their windows
	starts       int           // of servers, so far
	blocks       int           // begun
	slices       []result.Slice
	round        int                        // over the whole experiment
	length       map[string]lengths         // by label, from the pilot
	overhead     []time.Duration            // of the pilot's slices, beside settling and counting
	startCost    time.Duration              // what it last took to start and warm up a server
	cost         map[string]time.Duration   // by label: what the last slice took, from settling to idle
	leftOut      map[string]string          // labels that take no further part, and why
	servers      map[string]*process.Server // of the block at hand
	plain        map[string]int64           // by label: length of a server's answers that is not ours; -1: any
	busy         map[string]int             // by label: times in a row that a slice could not begin
	held         map[string]result.Held     // by label: connections that are held for the block at hand
	clients      *process.Clients
	clientLoss   int // times that the clients' process was lost
	gomaxprocs   int
}

// run plays the experiment and fills in t.out. An error means that the record
// can't be written, or that the clients can't be kept alive.
func (t *trial) run(ctx context.Context, dir *result.Dir) (err error) {
	if t.log, err = dir.Slices(t.exp.Name); err != nil {
		return err
	}
	t.busy = map[string]int{}
	t.length, t.cost, t.leftOut = map[string]lengths{}, map[string]time.Duration{}, map[string]string{}
	defer t.stopBlock()
	t.out.Started = time.Now().UTC()
	t.out.StoppedBy, err = t.measure(ctx)
	end := t.log.Finish
	if ctx.Err() != nil {
		t.out.StoppedBy, err = stoppedByInterrupt, nil
		end = t.log.Close
	}
	t.out.DurationS = time.Since(t.out.Started).Seconds()
	*t.out = analysis.Analyse(*t.out, t.slices)
	if err != nil { // the log may be what can't be written
		return errors.Join(err, t.log.Close())
	}
	return end()
}

// measure plays pilot and blocks, and says what ended them.
func (t *trial) measure(ctx context.Context) (stoppedBy string, err error) {
	if err := t.leaveOutIncomparable(); err != nil {
		return "", err
	}
	if !t.exp.Scenario.Resolved() && len(t.active()) > 0 {
		t.progress("capacity", false)
		if err := t.capacity(ctx); err != nil {
			return "", err
		}
	}
	t.progress("pilot", false)
	begin, started := time.Now(), t.active()
	if err := t.startBlock(ctx, result.PhasePilot, -1, started); err != nil {
		return "", err
	}
	t.startCost = time.Since(begin)/time.Duration(max(1, len(started))) + warmUp + leastOverhead
	for _, e := range t.active() {
		if err := t.pilot(ctx, e); err != nil {
			return "", err
		}
	}
	t.stopBlock()
	t.plan()
	if err := t.save(); err != nil { // rate and plan are in no slice, and a kill may come
		return "", err
	}
	t.begun = time.Now()
	for block := 0; t.exp.Blocks == 0 || block < t.exp.Blocks; block++ {
		switch {
		case len(t.active()) == 0 && len(t.out.Failures) == 0:
			return "precision", nil // nobody can take part: nothing more is to be known
		case len(t.active()) == 0:
			return "failure", nil
		case t.alone() != "":
			return t.alone(), nil
		case t.narrow != nil && t.exp.Precision > 0 && t.narrow.Within(t.exp.Precision):
			return "precision", nil
		case block > 0 && time.Since(t.begun)+t.nextBlock(t.rounds()) > t.allowed():
			return "budget", nil
		}
		if err := t.block(ctx, block); err != nil {
			return "", err
		}
		if block > 0 {
			n := analysis.Narrow(*t.out, t.slices)
			t.narrow = &n
		}
	}
	return "budget", nil
}

// alone says, where there were models to compare with the reference and none
// is left, why: more rounds would compare the reference with itself. Of models
// that failed at once the reference still gets a block, for its own figures,
// and where none could take part its own are all that there is to be seen.
func (t *trial) alone() (stoppedBy string) {
	for _, e := range t.exp.Entries {
		why, gone := t.leftOut[e.Label]
		switch {
		case t.exp.Reference == "":
			return ""
		case e.Twin || e.Label == t.exp.Reference:
		case !gone:
			return ""
		case why == isLarge:
			stoppedBy = "precision"
		case why == isUnable:
		case t.out.Rounds > 0:
			stoppedBy = cmp.Or(stoppedBy, "failure")
		}
	}
	return stoppedBy
}

// Why an entry is left out that did not fail.
const (
	isLarge  = "large"  // more than 2 × from the reference
	isUnable = "unable" // can't take part in this scenario
)

// active returns the entries that still take part.
func (t *trial) active() []result.Entry {
	return slices.DeleteFunc(slices.Clone(t.exp.Entries), func(e result.Entry) bool {
		_, gone := t.leftOut[e.Label]
		return gone
	})
}

// block plays one set of fresh processes: a warm-up and the rounds. It is cut
// short between rounds when the budget is spent.
func (t *trial) block(ctx context.Context, block int) error {
	t.blocks = block + 1
	begin, started := time.Now(), t.active()
	if err := t.startBlock(ctx, result.PhaseWarm, block, t.active()); err != nil {
		return err
	}
	defer t.stopBlock()
	for _, e := range t.order(t.active(), warming) {
		if err := t.warmUp(ctx, e, block); err != nil {
			return err
		}
	}
	t.startCost = time.Since(begin) / time.Duration(len(started))
	played := false
	for round := range t.rounds() {
		if round > 0 && time.Since(t.begun) > t.allowed() || len(t.active()) == 0 {
			break
		}
		for place, e := range t.order(t.active(), playing) {
			t.progress(e.Label, false)
			l := t.lengths(e)
			begin := time.Now()
			job := process.Job{Settle: l.settle, Count: l.count, HangUp: t.hangUp && l.drain > longDrain}
			if err := t.slice(ctx, e, result.PhaseRound, block, place, t.exp.Scenario, job); err != nil {
				return err
			}
			if last := t.slices[len(t.slices)-1]; last.Label == e.Label && last.Phase == result.PhaseRound && last.Failed == "" {
				t.cost[e.Label] = time.Since(begin)
			}
		}
		t.round++
		t.out.Rounds = t.round
		played = true
		if t.round == largeAfter {
			t.leaveOutLarge()
		}
	}
	if err := t.release(ctx, block); err != nil {
		return err
	}
	if played { // one that an interrupt cut short is not complete
		t.out.Blocks = block + 1
	}
	return nil
}

// warmUp has a fresh process run through its code at full speed: without the
// work, which is the same few lines over and over, and in a server that takes
// one connection at a time would take most of the block.
func (t *trial) warmUp(ctx context.Context, e result.Entry, block int) error {
	s := closedForm(t.exp.Scenario, warmClients)
	s.Wait, s.Spin, s.Think, s.Slow = scenario.Dist{}, scenario.Dist{}, scenario.Dist{}, scenario.Slow{}
	return t.slice(ctx, e, result.PhaseWarm, block, 0, s, process.Job{Count: warmUp})
}

// warmClients warm up for loads that have no number of clients.
const warmClients = 16

// closedForm is s as clients ask for it who wait for their answers: what it is
// already, or, of an open loop, the same work from so many clients.
func closedForm(s scenario.Scenario, clients int) scenario.Scenario {
	if s.Loop == scenario.LoopClosed {
		return s
	}
	s.Loop, s.Clients = scenario.LoopClosed, clients
	s.Rate, s.OfCapacity, s.Arrivals, s.Cycle = 0, false, "", scenario.Cycle{}
	s.Think, s.Timeout = scenario.Dist{}, 0
	return s
}

// What an order is for: each is drawn by itself, so that who is started first
// isn't always warmed up and measured first too.
const (
	starting = iota
	warming
	playing
)

// order draws the order of a round from the seed.
func (t *trial) order(entries []result.Entry, purpose int) []result.Entry {
	r := rand.New(rand.NewPCG(t.Seed, uint64(3*t.round+purpose)))
	r.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	return entries
}

// leaveOutLarge takes those entries out of the further rounds of which nothing
// is in doubt: time is better spent on the others.
func (t *trial) leaveOutLarge() {
	for _, e := range t.active() {
		if analysis.Large(*t.out, t.slices, e.Label) {
			t.leftOut[e.Label] = isLarge
			t.dismiss(e)
			t.progress(fmt.Sprintf("%s is more than 2 × from %s in the pilot and in %d rounds: left out of the further ones", e.Label, t.exp.Reference, largeAfter), true)
		}
	}
}

// startBlock starts fresh processes for entries, and has connections held. A
// server that doesn't start is a failure of its model.
func (t *trial) startBlock(ctx context.Context, phase string, block int, entries []result.Entry) (err error) {
	t.servers, t.held, t.plain = map[string]*process.Server{}, map[string]result.Held{}, map[string]int64{}
	if t.clients, err = process.StartClients(t.exp.LoadCPUs); err != nil {
		return err
	}
	for _, e := range t.order(entries, starting) {
		err := t.startServer(ctx, e)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if err := t.fail(e, t.newSlice(e, phase, block, 0), err); err != nil {
				return err
			}
		case phase != result.PhaseCapacity:
			if err := t.hold(ctx, e, block); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *trial) startServer(ctx context.Context, e result.Entry) error {
	config := t.config(e, t.exp.Scenario)
	config.Padding = t.padding()
	s, err := process.StartServer(ctx, t.exp.ServerCPUs, config)
	if err != nil {
		return err
	}
	t.servers[e.Label] = s // whatever is found, it is ended with the block
	if !e.Foreign() {
		t.gomaxprocs = s.GOMAXPROCS
	}
	return t.lookAt(ctx, e, s)
}

// padding is how many bytes of environment the next server gets beside what it
// has: how large that is moves its stack, and with it whatever depends on how
// memory is aligned. Drawn anew for each process, it is noise that restarts
// average out; left alone it would be a bias that none shows.
//
// Source: T. Mytkowicz and others, Producing Wrong Data Without Doing Anything
// Obviously Wrong!, ASPLOS 2009.
func (t *trial) padding() int {
	t.starts++
	return rand.New(rand.NewPCG(t.Seed, uint64(t.starts))).IntN(process.MaxPadding + 1)
}

// stopBlock ends all processes of the block, at the same time.
func (t *trial) stopBlock() {
	var wg sync.WaitGroup
	for _, s := range t.servers {
		wg.Go(s.Stop)
	}
	if t.clients != nil {
		wg.Go(t.clients.Stop)
	}
	wg.Wait()
	t.servers, t.held, t.clients = nil, nil, nil
}

// newSlice is a slice without its figures.
func (t *trial) newSlice(e result.Entry, phase string, block, place int) result.Slice {
	return result.Slice{
		Schema:     result.SliceSchema,
		Experiment: t.exp.Name,
		Phase:      phase,
		Block:      block,
		Round:      t.round,
		Place:      place,
		Label:      e.Label,
		Started:    time.Now().UTC(),
	}
}

// slice plays one slice of a scenario and writes it down. A model's failure is
// written down too, ends its part in the experiment, and is no error.
func (t *trial) slice(ctx context.Context, e result.Entry, phase string, block, place int, sc scenario.Scenario, job process.Job) error {
	server := t.servers[e.Label]
	if server == nil { // it failed, or was dismissed, since the order was drawn
		return nil
	}
	s := t.newSlice(e, phase, block, place)
	job.Addr, job.Scenario, job.Seed = server.Addr, sc, t.Seed
	job.Block, job.Round = block, t.round
	job.MaxConnections, job.Request, job.Expect = t.MaxConnections, t.Request, t.expect(e)
	s.SettleUs, s.CountUs, s.HungUp = job.Settle.Microseconds(), job.Count.Microseconds(), job.HangUp
	window := process.Window{Held: t.held[e.Label].Answered > 0, Patience: process.Patience{Idle: idlePatience}}
	if job.SettleUntilAll == 0 { // else nobody knows yet when it will be
		window.From, window.Until = job.Settle, job.Settle+job.Count
	}

	if err := t.clients.Prepare(ctx, t.Engine, job); err != nil {
		return t.lostClients(ctx, s, err)
	}
	cpus := t.measuredCPUs()
	host, before := process.LookAtHostOn(cpus), process.Used(server, t.clients)
	if err := server.Begin(ctx, window); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// The clients have prepared for nothing, and wait for nothing but Play.
		// What becomes of this server is decided below.
		t.dismiss(e)
		if err := t.replaceClients(ctx, s); err != nil {
			return err
		}
		return t.serverError(ctx, e, s, err)
	}
	delete(t.busy, e.Label)
	outcome, err := t.clients.Play(ctx)
	if err != nil {
		return t.lostClients(ctx, s, err)
	}
	var used *result.Server
	if job.HangUp {
		used, err = server.EndNow(ctx)
		defer t.dismiss(e)
	} else {
		used, err = server.End(ctx, idlePatience)
	}
	s.Load = &outcome.Load
	switch now, ours := process.LookAtHostOn(cpus), process.Used(server, t.clients)-before; {
	case used == nil || before == 0 || ours < 0: // what is ours would pass for that of others
		s.Host = now.Since(host)
	case e.Foreign(): // beside its guardian's
		s.Host = now.SinceWith(host, ours+time.Duration(used.CPUUs*float64(time.Microsecond)))
	default:
		s.Host = now.SinceWith(host, ours)
	}
	if phase == result.PhasePilot {
		s.SettleUs = outcome.SettledUs
	}
	if err != nil {
		return t.serverError(ctx, e, s, err)
	}
	s.Server = used
	return t.keep(s)
}

// measuredCPUs are those of either side.
func (t *trial) measuredCPUs() process.CPUs {
	if len(t.exp.ServerCPUs) == 0 || len(t.exp.LoadCPUs) == 0 {
		return process.Allowed()
	}
	return append(t.exp.ServerCPUs.Without(t.exp.LoadCPUs), t.exp.LoadCPUs...)
}

// dismiss ends a server that is not needed any more in this block.
func (t *trial) dismiss(e result.Entry) {
	if s := t.servers[e.Label]; s != nil {
		if _, held := t.held[e.Label]; held {
			// Clients that are lost hold nothing any more: that shows elsewhere.
			_ = t.clients.Drop(context.Background(), s.Addr)
		}
		s.Stop()
		delete(t.servers, e.Label)
		delete(t.held, e.Label)
	}
}

// serverError writes down a slice that did not begin or end as it should. A
// server that is still busy for clients that have given up is slow, not broken:
// what the clients saw stands, and a fresh process takes its place.
func (t *trial) serverError(ctx context.Context, e result.Entry, s result.Slice, why error) error {
	busy, ok := errors.AsType[process.BusyError](why)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !ok:
		return t.fail(e, s, why)
	}
	if s.Load == nil {
		s.Failed = busy.Error()
	}
	if err := t.keep(s); err != nil {
		return err
	}
	if s.Load == nil { // not even a slice could begin
		if t.busy[e.Label]++; t.busy[e.Label] == mostBusy {
			return t.fail(e, t.newSlice(e, s.Phase, s.Block, s.Place), fmt.Errorf("%w, %d times in a row: no slice can begin", busy, mostBusy))
		}
	}
	does := ": a fresh process takes its place"
	if e.Attach != "" {
		does = ": it is looked at again later"
	}
	t.progress(busy.Error()+does, true)
	return t.renew(ctx, e, s)
}

// mostBusy is how often a server may be found at work that nobody asked for.
const mostBusy = 3

// renew puts a fresh process in the place of e's server, in the same state: with
// connections held, if the scenario has such, and in a round warmed up, as all
// that it is compared with were. s is the slice at which that became necessary.
func (t *trial) renew(ctx context.Context, e result.Entry, s result.Slice) error {
	t.dismiss(e)
	if err := t.startServer(ctx, e); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return t.fail(e, t.newSlice(e, s.Phase, s.Block, s.Place), err)
	}
	if err := t.hold(ctx, e, s.Block); err != nil {
		return err
	}
	if s.Phase == result.PhaseRound {
		return t.warmUp(ctx, e, s.Block)
	}
	return nil
}

// last is the slice of an entry and a phase that was kept last, if it has
// figures; others may have followed it.
func (t *trial) last(e result.Entry, phase string) *result.Slice {
	for i := len(t.slices) - 1; i >= 0; i-- {
		if s := &t.slices[i]; s.Label == e.Label && s.Phase == phase {
			if s.Failed != "" || s.Load == nil {
				return nil
			}
			return s
		}
	}
	return nil
}

// keep writes a slice down. What could not be written is no part of any figure:
// nobody could make that again.
func (t *trial) keep(s result.Slice) error {
	s.BoundBy, _ = analysis.SliceBound(*t.out, s)
	if err := t.log.Append(s); err != nil {
		return err
	}
	t.slices = append(t.slices, s)
	return nil
}

// fail writes down that a model failed, and goes on without it.
func (t *trial) fail(e result.Entry, s result.Slice, why error) error {
	s.Failed = why.Error()
	t.leftOut[e.Label] = s.Failed
	t.out.Failures = append(t.out.Failures, result.Failure{Label: e.Label, Reason: s.Failed})
	t.dismiss(e)
	t.progress(fmt.Sprintf("%s failed and is left out: %v", e.Label, why), true)
	return t.keep(s)
}

// mostLosses is how often the clients' process may be lost in one experiment.
const mostLosses = 3

// lostClients writes down a slice that was lost with the clients, which is no
// fault of the model, and starts the clients anew.
func (t *trial) lostClients(ctx context.Context, s result.Slice, why error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.Failed = why.Error()
	if err := t.keep(s); err != nil {
		return err
	}
	t.progress(fmt.Sprintf("a slice of %s is lost: %v", s.Label, why), true)
	if t.clientLoss++; t.clientLoss > mostLosses {
		return fmt.Errorf("%s: the clients were lost %d times, the last time so: %w", t.exp.Name, t.clientLoss, why)
	}
	return t.replaceClients(ctx, s)
}

// replaceClients starts the clients anew. What they held is gone with them, so
// servers that held connections are begun anew too. s is the slice at which the
// clients were lost.
func (t *trial) replaceClients(ctx context.Context, s result.Slice) (err error) {
	t.clients.Stop()
	if t.clients, err = process.StartClients(t.exp.LoadCPUs); err != nil {
		return err
	}
	for _, e := range t.active() {
		if _, held := t.held[e.Label]; held {
			if err := t.renew(ctx, e, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *trial) progress(doing string, notable bool) {
	ev := Event{Doing: doing, Block: t.blocks, Notable: notable, Forecast: t.forecast, Narrow: t.narrow}
	if !t.begun.IsZero() {
		ev.Elapsed = time.Since(t.begun)
	}
	t.tell(ev)
}
