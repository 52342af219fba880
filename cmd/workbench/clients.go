package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"workbench/harness/load"
	"workbench/harness/result"
	"workbench/harness/scenario"
)

// clientsCmd is our clients alone, against a server that runs already: for
// scripts that compare them with other clients. It is one process, so that
// whoever started it can take its CPU time as it takes that of the others.
type clientsCmd struct {
	Addr                  string        `required:"" placeholder:"HOST:PORT" help:"Server to load; on this machine."`
	Clients               int           `default:"64" placeholder:"N" help:"Clients at once (${default})."`
	RequestsPerConnection int           `default:"1" placeholder:"K" help:"Requests that a client sends on one connection (${default})."`
	For                   time.Duration `default:"2s" placeholder:"D" help:"Length of the window, which opens at once (${default})."`
	Engine                string        `default:"${engine}" placeholder:"epoll|net" help:"Clients that play the load (${default})."`
	Seed                  uint64        `default:"1" placeholder:"N" help:"Of everything that is drawn at random (${default})."`
}

// clientsReport is what it prints, as one line of JSON.
type clientsReport struct {
	Engine            string        `json:"engine"`
	WindowUs          float64       `json:"window_us"`
	Requests          int64         `json:"requests"`     // answered rightly in the window
	RequestsAll       int64         `json:"requests_all"` // and those that were under way at its end
	Connections       int64         `json:"connections"`
	CPUUs             float64       `json:"cpu_us"` // of the slice; less than the process had, by its start
	P50Us             float64       `json:"p50_us"`
	P99Us             float64       `json:"p99_us"`
	LittlesLaw        float64       `json:"littles_law_residual"`
	Failed            int64         `json:"failed"`
	Errors            result.Errors `json:"errors"`
	FirstErrorInWords string        `json:"first_error,omitempty"`
}

// Run plays one slice and prints what it gave. Requests that failed are no
// failure of the clients.
func (c clientsCmd) Run(ctx context.Context, t terminal) error {
	if err := loopback(c.Addr); err != nil {
		return wrong(err)
	}
	engine, err := load.New(c.Engine)
	if err != nil {
		return wrong(fmt.Errorf("--engine: %w", err))
	}
	s, err := scenario.Named("hello")
	if err != nil {
		return err
	}
	s.Name, s.Claim = scenario.Custom, ""
	s.Clients, s.RequestsPerConnection = c.Clients, c.RequestsPerConnection
	job := load.Job{Addr: c.Addr, Scenario: s, Seed: c.Seed, Count: c.For}
	if err := job.Validate(); err != nil {
		return wrong(err)
	}
	o, err := engine.Play(ctx, job, nil)
	if err != nil {
		return cmp.Or(interrupted(ctx, err), err)
	}
	l := o.Load
	micros := func(q float64) float64 { return float64(l.Latency.Quantile(q)) / float64(time.Microsecond) }
	r := clientsReport{
		Engine: engine.Name(), WindowUs: l.WindowUs, Requests: l.Requests, RequestsAll: l.RequestsAll, Connections: l.Connections, CPUUs: l.CPUUs,
		LittlesLaw: l.LittleResidual, Failed: l.Errors.Total(), Errors: l.Errors, FirstErrorInWords: l.FirstError,
	}
	if l.Latency != nil && l.Latency.Count() > 0 {
		r.P50Us, r.P99Us = micros(0.5), micros(0.99)
	}
	return json.NewEncoder(t.out).Encode(r)
}

// loopback refuses servers elsewhere: a load without a pause is for machines
// that are one's own.
func loopback(addr string) error {
	if err := checkAddr(addr); err != nil {
		return err
	}
	if a, err := netip.ParseAddrPort(addr); err != nil || !a.Addr().Unmap().IsLoopback() {
		return errors.New("--addr " + addr + ": must be a loopback address, such as 127.0.0.1:8888")
	}
	return nil
}
