// Checkrun reads the JSON of runs and says whether they can be true: whether
// they are whole, free of errors, and within the laws that hold on every
// machine.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"workbench/harness/result"
)

func main() {
	bad := 0
	for _, path := range os.Args[1:] {
		b, err := os.ReadFile(path)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		var run result.Run
		if err := json.Unmarshal(b, &run); err != nil {
			fmt.Printf("%s: %v\n", path, err)
			os.Exit(1)
		}
		for _, complaint := range check(run) {
			fmt.Printf("%s: %s\n", path, complaint)
			bad++
		}
		for _, e := range run.Experiments {
			for _, c := range e.Cells {
				if c.ThroughputPerS != nil {
					fmt.Printf("%s: %s: %d requests, %.0f/s, bound by %s\n", e.Name, c.Label, c.Requests, c.ThroughputPerS.Median, c.BoundBy)
				}
			}
		}
	}
	if bad > 0 || len(os.Args) < 2 {
		fmt.Printf("%d complaints about %d runs\n", bad, len(os.Args)-1)
		os.Exit(1)
	}
	fmt.Println("the runs hold")
}

const (
	// within is how far a limited model may be from its law, limit/S, where the
	// load keeps it full.
	within = 0.10

	// mostLittle is the share of client-time that may lie in no recorded connect,
	// request or think.
	mostLittle = 0.01

	// muchStolen is the share of the machine's CPU time from which the host is
	// to blame for what a model doesn't reach. Nothing makes it exceed its law.
	muchStolen = 0.02
)

func check(run result.Run) (complaints []string) {
	say := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	if run.Schema != result.RunSchema || run.StoppedBy == "" || run.Environment.GOMAXPROCS == 0 || run.Environment.Kernel == "" {
		say("schema %q, stopped by %q, environment %+v", run.Schema, run.StoppedBy, run.Environment)
	}
	for _, e := range run.Experiments {
		var labels []string
		for _, c := range e.Cells {
			labels = append(labels, c.Label)
			if c.Unable != "" {
				if e.Load.Idle == 0 || c.Model == "goroutine" {
					say("%s: %s says that it can't take part: %s", e.Name, c.Label, c.Unable)
				}
				continue
			}
			failed := c.Errors.Total()
			if e.Loop != "closed" {
				failed -= c.Errors.Timeout // an overload is meant to be one
			}
			if !c.Valid || failed > 0 || c.Requests == 0 || c.BoundBy == "" && e.Loop == "closed" {
				say("%s: %s: valid %v, errors %+v, %d requests, bound by %q: %q", e.Name, c.Label, c.Valid, c.Errors, c.Requests, c.BoundBy, c.Warnings)
				continue
			}
			if r := c.LittlesLawResidual; r == nil || r.Median > mostLittle {
				say("%s: %s: Little's law residual %+v", e.Name, c.Label, r)
			}
			if c.HeldLost > 0 || c.HeldAnswered < int64(e.Load.Idle) {
				say("%s: %s: %d of %d connections held, %d lost", e.Name, c.Label, c.HeldAnswered, e.Load.Idle, c.HeldLost)
			}
			law(run, e, c, say)
		}
		var want []string
		for _, entry := range e.Entries {
			want = append(want, entry.Label)
		}
		if !slices.Equal(labels, want) || len(labels) < 3 || labels[0] != "goroutine" || labels[1] != "goroutine#2" {
			say("%s: cells %q of the entries %q, want the reference, its twin and the models", e.Name, labels, want)
		}
		for _, c := range e.Comparisons {
			if run.Quick && c.Verdict != result.VerdictNone && c.Verdict != result.VerdictLarge || c.Verdict == result.VerdictNone && c.Why == "" {
				say("%s: %s of %s: verdict %q because of %q in a quick look", e.Name, c.Metric, c.Model, c.Verdict, c.Why)
			}
		}
		if len(e.PlanDigest) != len("sha256:")+64 || len(e.Comparisons) == 0 || len(e.Failures) > 0 {
			say("%s: digest %q, %d comparisons, failures %v", e.Name, e.PlanDigest, len(e.Comparisons), e.Failures)
		}
	}
	return complaints
}

// law checks a model that the load keeps full against limit/S, S being the
// mean time that requests really spent at work.
func law(run result.Run, e result.Experiment, c result.Cell, say func(string, ...any)) {
	if e.Scenario != "io" || e.Clients > 32 || c.ServiceUs == nil {
		return // with more at once the machine may be the limit
	}
	atOnce := float64(e.Clients)
	if c.Limit != nil {
		atOnce = min(atOnce, float64(c.Limit.Size))
	}
	want := atOnce / (c.ServiceUs.Mean / 1e6)
	stolen := float64(run.Environment.StealUs) / (e.DurationS * 1e6 * float64(run.Environment.CPUs))
	switch got := c.ThroughputPerS.Median; {
	case got > want*(1+within), got < want*(1-within) && stolen < muchStolen:
		say("%s: %s answers %.0f/s, its law says %.0f/s; the host took %.1f %% of the CPU time", e.Name, c.Label, got, want, 100*stolen)
	case got < want*(1-within):
		fmt.Printf("%s: %s answers %.0f/s of %.0f/s, not judged: the host took %.1f %% of the CPU time\n", e.Name, c.Label, got, want, 100*stolen)
	}
}
