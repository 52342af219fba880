package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"workbench/harness/load"
	"workbench/harness/scenario"
)

// scenarios are the loads, and the run's name.
func (c runCmd) scenarios() (list []scenario.Scenario, name string, err error) {
	names := slices.Clone(c.Scenario)
	own := c.values()
	delete(own, "clients") // so many of a named load's
	delete(own, "timeout")
	switch {
	case len(names) > 0:
		for i, n := range names {
			s, err := scenario.Find(n)
			if err != nil {
				return nil, "", err
			}
			list = append(list, s)
			names[i] = s.Name
		}
		if name = strings.Join(names, "-"); len(names) > longestName {
			name = fmt.Sprintf("%d-scenarios", len(names))
		}
	case c.Conversation == scenario.ConversationOnce:
		s, err := scenario.Named("hello")
		if err != nil {
			return nil, "", err
		}
		list, name = append(list, s), "hello-once"
	case len(own) > 0:
		s, err := scenario.Named("hello")
		if err != nil {
			return nil, "", err
		}
		s.Name, s.Claim = scenario.Custom, ""
		list, name = append(list, s), scenario.Custom
	default:
		name = tourName
		names = tour
		if c.Request != "" { // of the tour's loads, and one more, those that ask for no work
			name, names = "request", []string{"hello", "keepalive"}
		}
		for _, n := range names {
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
		if err := c.checkRequest(list[i]); err != nil {
			return nil, "", err
		}
		if work := list[i].Wait.Mean() + list[i].Spin.Mean(); work >= list[i].Patience() {
			return nil, "", fmt.Errorf("%s: a request takes %v at work, and clients give up after %v", list[i].Name, work, list[i].Patience())
		}
	}
	if c.MaxConnections != nil {
		switch open := slices.ContainsFunc(list, func(s scenario.Scenario) bool { return s.Loop != scenario.LoopClosed }); {
		case *c.MaxConnections < 1:
			return nil, "", fmt.Errorf("--max-connections %d: want 1 or more", *c.MaxConnections)
		case !open:
			return nil, "", errors.New("--max-connections: it is for requests that arrive at a rate, and here clients ask: see --clients, --rate")
		}
	}
	return list, name, nil
}

// longestName is how many scenarios a run may be named after.
const longestName = 3

// checkRequest looks whether clients can send what --request says under s.
func (c runCmd) checkRequest(s scenario.Scenario) error {
	if c.Request == "" {
		return nil
	}
	if !s.Wait.IsZero() || !s.Spin.IsZero() || s.Bytes != 0 {
		return fmt.Errorf("--request: what is in the file is sent as it is, so nobody is asked for the work of %s: take a scenario without, such as hello or keepalive", s.Name)
	}
	request, status, err := c.request()
	if err != nil {
		return err
	}
	job := load.Job{Addr: "127.0.0.1:1", Scenario: s, Count: time.Second, Request: request, Expect: load.Expect{Foreign: true, Status: status}}
	if err := job.Validate(); err != nil {
		return fmt.Errorf("--request %s: %w", c.Request, err)
	}
	return nil
}

// values are the load's flags that were given, by their keys in a scenario.
func (c runCmd) values() map[string]string {
	given := map[string]string{}
	for key, v := range map[string]string{
		"conversation": c.Conversation, "rate": c.Rate, "arrivals": c.Arrivals, "cycle": c.Cycle, "think": c.Think,
		"wait": c.Wait, "spin": c.Spin, "bytes": c.Bytes, "slow": c.Slow, "timeout": c.Timeout,
	} {
		if v != "" {
			given[key] = v
		}
	}
	for key, n := range map[string]*int{"clients": c.Clients, "requests_per_connection": c.RequestsPerConnection, "idle": c.Idle} {
		if n != nil {
			given[key] = strconv.Itoa(*n)
		}
	}
	return given
}

// adjust applies the load's flags to a scenario.
func (c runCmd) adjust(s *scenario.Scenario) error {
	changed, err := s.With(c.values())
	if wrong, ok := errors.AsType[*scenario.KeyError](err); ok {
		return fmt.Errorf("%s: %w", wrong.Flag(), wrong.Err)
	}
	if err != nil {
		return err
	}
	*s = changed
	return nil
}

// mostRequest bounds the file of --request, bytes.
const mostRequest = 16 << 10

// request reads the file of --request, and what is expected of its answer.
func (c runCmd) request() (request []byte, status int, err error) {
	if c.ExpectStatus != nil {
		if status = *c.ExpectStatus; status < 200 || status > 599 {
			return nil, 0, fmt.Errorf("--expect-status %d: want 200 to 599", status)
		}
	}
	if c.Request == "" {
		return nil, status, nil
	}
	if c.Conversation == scenario.ConversationOnce {
		return nil, 0, errors.New("--request: the conversation once has a request of its own")
	}
	f, err := os.Open(c.Request)
	if err != nil {
		return nil, 0, fmt.Errorf("--request: %w", err)
	}
	defer f.Close()
	request, err = io.ReadAll(io.LimitReader(f, mostRequest+1))
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("--request: %w", err)
	case len(request) == 0:
		return nil, 0, fmt.Errorf("--request %s: the file is empty: want a request as it is to be sent, GET / HTTP/1.1 and so on", c.Request)
	case len(request) > mostRequest:
		return nil, 0, fmt.Errorf("--request %s: over %d KiB", c.Request, mostRequest>>10)
	}
	return request, status, nil
}
