// Package doctor examines a machine for what would spoil a measurement on it,
// and knows the cure.
//
// Its position: a figure is as good as the machine that it was taken on, and
// what spoils it is found before a run, not in its results. A limit that ends
// a run in its middle, a host that takes CPU time away, a neighbour that is at
// work: none of them looks like itself in a table, all of them look like a
// slow server. So each finding says what was found, what it would spoil and
// the command that cures it. The package changes nothing itself: whose machine
// it is decides.
//
// Every check is a reading of the system and a judgement of what was read;
// judgements are pure functions. What a system doesn't tell is left out, and
// named once.
package doctor

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// Grade says how much a finding matters.
type Grade int

const (
	Fine     Grade = iota
	Doubtful       // figures are off by more than they need be, or in some loads only
	Invalid        // a run would fail, or its figures would mean nothing
)

// String is the grade in a word.
func (g Grade) String() string {
	return [...]string{"fine", "doubtful", "bad"}[g]
}

// A Finding is what one check found.
type Finding struct {
	What   string // what was looked at: "descriptors"
	Found  string // in words and figures: "20,000 per process"
	Grade  Grade
	Spoils string // what it would spoil; "" where it is fine
	Cure   string // what cures it: a command of a shell where there is one; "" where it is fine
}

// String is the finding in one line.
func (f Finding) String() string {
	s := f.What + ": " + f.Found
	if f.Spoils != "" {
		s += ": " + f.Spoils
	}
	if f.Cure != "" {
		s += " (cure: " + f.Cure + ")"
	}
	return s
}

// DefaultConnections is the most that a server has open at once in the named
// loads that are closed: 64 clients are active while 1,000 connections are held.
const DefaultConnections = 1_064

// Needs is what a run will ask of the machine. The zero value is a run without
// flags.
type Needs struct {
	Connections int  // to one server at once; 0: DefaultConnections
	Descriptors int  // that one process needs, all told; 0: as many as Connections asks for
	OneSource   bool // clients connect from one address, as those of package net do, and don't spread
	Backlog     int  // that servers ask for; 0: the system's limit
	Foreign     bool // servers that are not ours take part

	// Where processes will run. Nil: the first CPU that there is for the
	// servers, the others for the clients.
	ServerCPUs, LoadCPUs []int

	// Quick leaves out what takes a second: steal and other load.
	Quick bool
}

// Examine looks at everything on this machine that would spoil a run with
// such needs. It takes some 20 ms; unless n.Quick a second more, in which it
// keeps the CPUs busy at the lowest priority, for a host takes time only from
// whoever wants some. When ctx is done it returns early, with less.
func Examine(ctx context.Context, n Needs) []Finding {
	return examine(ctx, machine{os.DirFS("/")}, n, time.Second)
}

func examine(ctx context.Context, m machine, n Needs, watch time.Duration) []Finding {
	var e examination
	e.cpus(m, &n)
	look(&e, "CPU quota", m.quota, func(q quota) Finding { return judgeQuota(q, n) })
	look(&e, "cores", func() (cores, error) { return m.cores(n) }, func(c cores) Finding { return judgeCores(c, n) })
	look(&e, "frequency", func() (frequency, error) { return m.frequency(n) }, judgeFrequency)
	if !n.Quick {
		s, err := m.watch(ctx, n, watch)
		again := func() (second, error) { return s, err }
		look(&e, "steal", again, judgeSteal)
		look(&e, "other load", again, judgeOtherLoad)
	}
	look(&e, "clock", m.clock, judgeClock)
	look(&e, "timers", readTimers, judgeTimers)
	look(&e, "memory", m.memory, judgeMemory)
	look(&e, "descriptors", func() (descriptors, error) { return readDescriptors(ctx) }, func(d descriptors) Finding { return judgeDescriptors(d, n) })
	look(&e, "ports", m.ports, func(p ports) Finding { return judgePorts(p, n) })
	look(&e, "tcp_tw_reuse", m.reuse, judgeReuse)
	look(&e, "backlog", m.backlog, func(b backlog) Finding { return judgeBacklog(b, n) })
	look(&e, "congestion", m.congestion, judgeCongestion)
	if len(e.unseen) > 0 {
		e.findings = append(e.findings, Finding{What: "not seen", Found: strings.Join(e.unseen, ", ") + ": this system doesn't tell"})
	}
	return e.findings
}

// examination gathers findings, and the names of what could not be read.
type examination struct {
	findings []Finding
	unseen   []string
}

// cpus comes first: where processes will run is asked by most that follow, so
// it is filled in where nothing is said.
func (e *examination) cpus(m machine, n *Needs) {
	look(e, "CPUs", m.cpus, func(c cpus) Finding {
		n.ServerCPUs, n.LoadCPUs = c.divide(*n)
		return judgeCPUs(c, *n)
	})
}

// look reads and judges. A judgement without words is of something that has
// no meaning here, and is left out.
func look[T any](e *examination, what string, read func() (T, error), judge func(T) Finding) {
	v, err := read()
	if err != nil {
		e.unseen = append(e.unseen, what)
		return
	}
	if f := judge(v); f.Found != "" {
		f.What = what
		e.findings = append(e.findings, f)
	}
}

// Worst is the gravest grade among findings.
func Worst(findings []Finding) Grade {
	worst := Fine
	for _, f := range findings {
		worst = max(worst, f.Grade)
	}
	return worst
}

// count writes n with its thousands set apart.
func count[T int | int64 | uint64](n T) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// list writes numbers of CPUs in their shortest form: "0-3,8".
func list(cpus []int) string {
	var parts []string
	for i := 0; i < len(cpus); {
		j := i
		for j+1 < len(cpus) && cpus[j+1] == cpus[j]+1 {
			j++
		}
		part := fmt.Sprint(cpus[i])
		if j > i {
			part += fmt.Sprintf("-%d", cpus[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ",")
}
