package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"workbench/harness/process"
	"workbench/harness/result"
	"workbench/harness/scenario"
	"workbench/models"
)

// heart are the models that a run without --model compares. The rest of the
// family takes part by name, or all together in scripts/family.yaml.
var heart = []string{"errgroup", "goroutine", "iterative", "pool"}

// entries are the servers that take part: the reference and its twin first,
// then the models in the order given, then servers that are not ours.
func (c runCmd) entries() (entries []result.Entry, reference string, err error) {
	if c.Alone && c.Reference != "" {
		return nil, "", errors.New("--alone leaves out the reference that --reference names: say one of them")
	}
	foreign, err := c.foreign()
	if err != nil {
		return nil, "", err
	}
	specs := c.Model
	if len(specs) == 0 && len(foreign) == 0 {
		if c.Alone {
			return nil, "", errors.New("--alone leaves the reference out: say with --model what remains")
		}
		specs = heart
	}
	add := func(e result.Entry, twin bool) (label string) {
		label = e.Label
		for n := 2; slices.ContainsFunc(entries, func(o result.Entry) bool { return o.Label == label }); n++ {
			label = e.Label + "#" + strconv.Itoa(n)
		}
		e.Label, e.Twin = label, twin
		entries = append(entries, e)
		return label
	}
	own := -1 // which of the servers that are not ours is the reference
	if !c.Alone {
		own = slices.IndexFunc(foreign, func(e result.Entry) bool { return e.Label == c.Reference })
		ref, err := entryOf(cmp.Or(c.Reference, "goroutine"))
		if err == nil { // one of many models may be unable and say so; without the reference there is nothing to say
			err = models.Available(ref.Model)
		}
		switch {
		case own >= 0:
			ref = foreign[own]
		case err != nil:
			return nil, "", fmt.Errorf("--reference: %w", err)
		}
		reference = add(ref, false)
		add(ref, true)
	}
	asked := false // for the reference, among the models
	for _, spec := range specs {
		e, err := entryOf(spec)
		if err != nil {
			return nil, "", err
		}
		if e.Label == reference && !asked {
			asked = true // it takes part already
			continue
		}
		add(e, false)
	}
	for i, e := range foreign {
		if i != own {
			add(e, false)
		}
	}
	return entries, reference, nil
}

// entryOf is a model by its spec.
func entryOf(spec string) (result.Entry, error) {
	s, err := models.Parse(spec)
	if err != nil {
		return result.Entry{}, err
	}
	return result.Entry{Label: s.String(), Model: s.Whole(), Display: s.Display()}, nil
}

// takesPart refuses a model that this system can't run, or that can't hold a
// conversation.
func takesPart(s models.Spec, conversation string) error {
	if err := models.Available(s.String()); err != nil {
		return err
	}
	m, _ := models.Find(s.Model)
	if why := m.Unable[conversation]; why != "" {
		return fmt.Errorf("model %s can't take part in --conversation %s: %s", m.Name, conversation, why)
	}
	return nil
}

// underScenario are entries of an experiment under s: models that can't take
// part in it by their nature, or on this system, say why.
func underScenario(entries []result.Entry, s scenario.Scenario) []result.Entry {
	entries = slices.Clone(entries)
	for i, e := range entries {
		spec, err := models.Parse(e.Model)
		if e.Foreign() || err != nil {
			continue
		}
		m, _ := models.Find(spec.Model)
		name := s.Name
		switch { // with silent connections every load is as idle is, and without them not even that is
		case s.Idle > 0:
			name = "idle"
		case name == "idle":
			name = ""
		}
		entries[i].Unable = cmp.Or(m.Unable[name], m.Unable[s.Conversation])
		if err := m.Able(); err != nil && entries[i].Unable == "" {
			entries[i].Unable = err.Error()
		}
	}
	return entries
}

// able refuses models that were asked for by name and can't run here, or can't
// hold the conversation that was asked for.
func (c runCmd) able() error {
	for _, spec := range append([]string{c.Reference}, c.Model...) {
		if s, err := models.Parse(spec); err == nil {
			if err := takesPart(s, c.Conversation); err != nil {
				return err
			}
		}
	}
	return nil
}

var (
	namedServer = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]*)=(.*)$`)
	assignment  = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*=`) // of a variable, by the custom of shells: PORT={port} ./mine
	attachment  = regexp.MustCompile(`^([^,]+)(?:,pid=([0-9]+))?$`)
)

// commandName is what a command is called that nobody named: its program.
func commandName(command string) string {
	words := strings.Fields(command)
	for len(words) > 1 && (assignment.MatchString(words[0]) || words[0] == "exec" || words[0] == "env") {
		words = words[1:]
	}
	return filepath.Base(strings.Trim(words[0], `'"`))
}

// foreign are the servers that are not ours.
func (c runCmd) foreign() (list []result.Entry, err error) {
	for _, s := range c.Server {
		name, command := "", s
		if m := namedServer.FindStringSubmatch(s); m != nil && !assignment.MatchString(s) {
			name, command = m[1], m[2]
		}
		switch {
		case strings.TrimSpace(command) == "":
			return nil, fmt.Errorf("--server %q: want a command, such as './mine --port {port}'", s)
		case !strings.Contains(command, "{port}"):
			return nil, fmt.Errorf("--server %q: say with {port} where the port goes that it is to listen on, as in './mine --port {port}'", s)
		case name == "":
			name = commandName(command)
		}
		list = append(list, result.Entry{Label: name, Model: command, Display: name, Command: command})
	}
	for _, s := range c.Attach {
		m := attachment.FindStringSubmatch(s)
		if m == nil {
			return nil, fmt.Errorf("--attach %q: want HOST:PORT, or HOST:PORT,pid=N", s)
		}
		pid := 0
		if m[2] != "" {
			if pid, err = strconv.Atoi(m[2]); err != nil || pid < 1 {
				return nil, fmt.Errorf("--attach %q: %s is no process", s, m[2])
			}
		}
		_, port, err := net.SplitHostPort(m[1])
		if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 1 || n > 65535 {
			return nil, fmt.Errorf("--attach %q: want HOST:PORT, or HOST:PORT,pid=N", s)
		}
		if !c.AllowRemote {
			if err := process.CheckLoopback(m[1]); err != nil {
				return nil, fmt.Errorf("--attach %q: %w", s, err)
			}
		}
		list = append(list, result.Entry{Label: m[1], Model: m[1], Display: m[1], Attach: m[1], PID: pid})
	}
	return list, nil
}
