package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Sweep is what a file asks for: grids of experiments that make one record.
type Sweep struct {
	File  string // as it was named
	Grids []Grid // one for each document of the file
}

// A Grid is one document of a sweep's file: the same servers under every
// combination of its loads and CPUs. What a model's spec or a server's command
// means is not for this package to say; who finds one wrong says where it stands
// with [Sweep.At].
type Grid struct {
	Question  string        // what it asks, in words
	Models    []Placed      // specs, with one value for each parameter; none: whoever runs it chooses
	Servers   []Placed      // [NAME=]COMMAND of servers that are not ours
	Reference Placed        // spec, or a server's name; zero: whoever runs it chooses
	Alone     bool          // no reference
	Seed      *uint64       // of the whole sweep, the same in all its grids; nil: none is asked for
	Budget    time.Duration // of each experiment; 0: none is asked for
	Precision float64       // of each experiment, a fraction of 1; 0: none is asked for
	Blocks    int           // of each experiment; 0: none is asked for
	Expect    []Placed      // what is expected of it: see [ParseExpectation]
	Points    []Point       // the experiments: at least one
}

// A Point of a grid is an experiment: a valid scenario, and where the servers
// run.
type Point struct {
	Name       string // fit for a file's name, and unique in the sweep, whatever a file system makes of capitals
	Scenario   Scenario
	ServerCPUs Placed // a list such as "0-1"; zero: none is asked for
	Axes       []Axis // what varies in the grid, in the order of the file's keys
	From       Placed // what in the file says most about the load: for errors about it
}

// Placed is a value and where it stands in its file, both from 1, columns in
// characters.
type Placed struct {
	Value        string
	Line, Column int
}

// Bounds of a sweep.
const (
	MaxPoints = 1000 // experiments, over all grids
	MaxModels = 100  // specs and servers of a grid
	MaxBudget = 24 * time.Hour
)

// At is err, which is about p, with the file and the place before it; nil for
// nil. A zero p is about the whole file.
func (s Sweep) At(p Placed, err error) error {
	switch {
	case err == nil:
		return nil
	case p.Line == 0:
		return fmt.Errorf("%s: %w", s.File, err)
	}
	return fmt.Errorf("%s:%d:%d: %w", s.File, p.Line, p.Column, err)
}

// ReadSweep reads a sweep from a file, as [DecodeSweep] does.
func ReadSweep(path string) (Sweep, error) {
	b, err := readFile(path)
	if err != nil {
		return Sweep{}, fmt.Errorf("sweep file %s: %w (those in scripts are to start from)", path, err)
	}
	return DecodeSweep(path, b)
}

// DecodeSweep reads a sweep in YAML, of which each document is a grid:
//
//	question: how many workers does waiting ask for?
//	models: ["pool:workers=[1,4,16,64]", errgroup]
//	scenarios: io
//	clients: [64, 128]
//	budget: 30s
//
// What is expected of the outcome may be said beforehand ([ParseExpectation]),
// and the report says what became of it.
//
// A key that may have a list may have one value instead. A parameter of a model
// may be a list of its own; several make every combination. What varies the
// load overrides what the scenario says, as flags of run do; without a scenario
// the load is [Custom]. A scenario that is a file is looked for beside this one.
//
// It is as strict as [Decode] and its errors are of the same form. Name is the
// file's.
func DecodeSweep(name string, b []byte) (Sweep, error) {
	return decodeSweep(name, b, func(arg string) (Scenario, error) {
		switch {
		case !isFile(arg):
			return Named(arg)
		case filepath.IsAbs(arg):
			return ReadFile(arg)
		}
		return ReadFile(filepath.Join(filepath.Dir(name), arg))
	})
}

func decodeSweep(name string, b []byte, find func(string) (Scenario, error)) (Sweep, error) {
	docs, err := parseGrids(b)
	if err != nil {
		return Sweep{}, locate(name, err)
	}
	sweep := Sweep{File: name}
	filed, left := names{}, MaxPoints
	var seed *uint64
	var seeded Placed // where the file says so first
	for _, d := range docs {
		g, err := d.grid(left, find)
		if err != nil {
			return Sweep{}, locate(name, err)
		}
		switch {
		case g.Seed == nil:
		case seed == nil:
			seed, seeded = g.Seed, d.one("seed")
		case *g.Seed != *seed:
			return Sweep{}, locate(name, d.one("seed").wrong(fmt.Errorf("seed %d: a sweep has one seed, and line %d says %d", *g.Seed, seeded.Line, *seed)))
		}
		left -= len(g.Points)
		for i := range g.Points {
			g.Points[i].Name = filed.unique(g.Points[i].Name)
		}
		sweep.Grids = append(sweep.Grids, g)
	}
	for i := range sweep.Grids { // also of a grid before the one that names it
		sweep.Grids[i].Seed = seed
	}
	return sweep, nil
}

// A sweepKey is what a document may say.
type sweepKey struct {
	name    string
	takes   takes
	list    bool
	axis    string // what it varies, as [Axis] calls it: "" if it is no axis
	example string
	check   func(v string) (canonical string, err error) // whether a value by itself makes sense; two values that come out the same are
}

// load reports whether the key is one of a scenario's.
func (k sweepKey) load() bool { return k.axis != "" && k.axis != axisScenario && k.axis != axisCPUs }

const (
	axisScenario = "scenario"
	axisCPUs     = "server_cpus"
)

// sweepKeys are all keys, in the order in which they are listed.
var sweepKeys = []sweepKey{
	{"question", text, false, "", "'how many workers does waiting ask for?'", checked(checkQuestion)},
	{"models", text, true, "", "pool", checked(func(v string) error { _, err := expand(v); return err })},
	{"servers", text, true, "", "'mine=./mine --port {port}'", asIs},
	{"reference", text, false, "", "goroutine", checked(checkOneModel)},
	{"alone", truth, false, "", "true", checked(checkTruth)},
	{"scenarios", text, true, axisScenario, "keepalive", asIs},
	ofLoad("clients", "clients"),
	ofLoad("rates", "rate"),
	ofLoad("wait", "wait"),
	ofLoad("spin", "spin"),
	ofLoad("bytes", "bytes"),
	ofLoad("idle", "idle"),
	ofLoad("think", "think"),
	ofLoad("requests_per_connection", "requests_per_connection"),
	ofLoad("conversation", "conversation"),
	{"server_cpus", either, true, axisCPUs, "0-1", checked(checkCPUs)},
	{"seed", whole, false, "", "1", checked(func(v string) error { _, err := parseSeed(v); return err })},
	{"budget", either, false, "", "50s", checked(func(v string) error { _, err := parseBudget(v); return err })},
	{"precision", either, false, "", "3%", checked(func(v string) error { _, err := ParsePrecision(v); return err })},
	{"blocks", whole, false, "", "10", checked(func(v string) error { _, err := parseBlocks(v); return err })},
	{"expect", text, true, "", "'spread of cpu < 2 | tens of per cent'", checked(func(v string) error { _, err := ParseExpectation(v); return err })},
}

// ofLoad is a scenario's key, of which a sweep may have several values.
func ofLoad(name, field string) sweepKey {
	k := keys[slices.IndexFunc(keys, func(k key) bool { return k.name == field })]
	return sweepKey{name, k.takes, true, field, k.example, func(v string) (string, error) {
		var s Scenario
		err := k.set(&s, v)
		return k.get(s), err
	}}
}

func asIs(v string) (string, error) { return v, nil }

func checked(check func(string) error) func(string) (string, error) {
	return func(v string) (string, error) { return v, check(v) }
}

func checkQuestion(v string) error {
	if err := checkClaim(v); err != nil {
		return fmt.Errorf("%w (more goes into a comment)", err)
	}
	return nil
}

func checkOneModel(v string) error {
	specs, err := expand(v)
	if err == nil && (len(specs) > 1 || specs[0] != v) {
		return fmt.Errorf("%q names several: want one model, without lists", v)
	}
	return err
}

func checkTruth(v string) error {
	if v != "true" && v != "false" {
		return fmt.Errorf("%q: want true or false", v)
	}
	return nil
}

var cpuList = regexp.MustCompile(`^[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*$`)

func checkCPUs(v string) error {
	if !cpuList.MatchString(v) {
		return fmt.Errorf("%q: want a list of CPUs, such as 0, 0-1 or '0,2'", v)
	}
	return nil
}

func parseSeed(v string) (uint64, error) {
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q: want a whole number from 0 to 18446744073709551615", v)
	}
	return n, nil
}

func parseBudget(v string) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 || d > MaxBudget {
		return 0, fmt.Errorf("%q: want a time above 0, up to %gh, such as 50s", v, MaxBudget.Hours())
	}
	return d, nil
}

// ParsePrecision reads the half-width at which an interval is narrow enough:
// "3%" or "0.03", above 0 and at most 100 %.
func ParsePrecision(v string) (float64, error) {
	number, percent := strings.CutSuffix(v, "%")
	p, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		p /= 100
	}
	if err != nil || !(p > 0 && p <= 1) {
		return 0, fmt.Errorf("%q: want a share above 0 and up to 100%%, such as 3%% or 0.03", v)
	}
	return p, nil
}

func parseBlocks(v string) (int, error) {
	n, err := parseWhole(v)
	if err == nil && n < 1 {
		err = fmt.Errorf("%d: want at least 1", n)
	}
	return n, err
}

// expand is a spec for each combination of the values of its parameters that
// are lists, those of the first changing last.
func expand(spec string) ([]string, error) {
	name, rest, parameters := strings.Cut(spec, ":")
	if strings.ContainsAny(name, "=,[]") {
		return nil, fmt.Errorf("%q: want NAME or NAME:key=value,... (a spec with a comma has quotes in a list in brackets: ['pool:workers=4,queue=8'])", spec)
	}
	if !parameters {
		return []string{spec}, nil
	}
	specs, separator := []string{name}, ":"
	for rest != "" || separator == ":" {
		var pair string
		var err error
		if pair, rest, err = cutPair(rest); err != nil {
			return nil, fmt.Errorf("%q: %w", spec, err)
		}
		key, value, _ := strings.Cut(pair, "=")
		list, isList := strings.CutPrefix(value, "[")
		if !isList {
			for i := range specs {
				specs[i] += separator + pair
			}
			separator = ","
			continue
		}
		values := strings.Split(strings.TrimSuffix(list, "]"), ",")
		if len(specs)*len(values) > MaxModels {
			return nil, fmt.Errorf("%q: more than %d models", spec, MaxModels)
		}
		product := make([]string, 0, len(specs)*len(values))
		for _, s := range specs {
			for _, v := range values {
				if v = strings.TrimSpace(v); v == "" {
					return nil, fmt.Errorf("%q: a value is missing in the list of %s", spec, key)
				}
				product = append(product, s+separator+key+"="+v)
			}
		}
		specs, separator = product, ","
	}
	return specs, nil
}

// cutPair cuts the first "key=value" or "key=[value,...]" off a list of them. A
// pair that is neither stays as it is, for the model to refuse.
func cutPair(list string) (pair, rest string, err error) {
	const form = "want a list as in workers=[1,4,16]"
	end := strings.IndexByte(list, ',')
	if open := strings.IndexByte(list, '['); open >= 0 && (end < 0 || open < end) {
		shut := strings.IndexByte(list, ']')
		if open == 0 || list[open-1] != '=' || shut < open || strings.Contains(list[open+1:shut], "[") {
			return "", "", errors.New(form)
		}
		if end = shut + 1; end < len(list) && list[end] != ',' {
			return "", "", errors.New(form)
		}
	}
	if end < 0 || end == len(list) {
		pair = list
	} else if pair, rest = list[:end], strings.TrimSpace(list[end+1:]); rest == "" {
		return "", "", errors.New("nothing behind the last comma")
	}
	if shut := strings.IndexByte(pair, ']'); shut >= 0 && shut < len(pair)-1 || shut >= 0 && !strings.Contains(pair, "[") {
		return "", "", errors.New(form)
	}
	return pair, rest, nil
}

// A given is what a document says for a key.
type given struct {
	sweepKey
	at     Placed // of the key
	values []Placed
}

// A document is what is given, in the order of the file.
type document []given

func (d document) get(name string) (given, bool) {
	i := slices.IndexFunc(d, func(g given) bool { return g.name == name })
	if i < 0 {
		return given{}, false
	}
	return d[i], true
}

// one is the only value of a key, zero where it isn't given.
func (d document) one(name string) Placed {
	if g, ok := d.get(name); ok {
		return g.values[0]
	}
	return Placed{}
}

// grid is what the document asks for, with at most so many points.
func (d document) grid(most int, find func(string) (Scenario, error)) (Grid, error) {
	g := Grid{Question: d.one("question").Value, Reference: d.one("reference"), Alone: d.one("alone").Value == "true"}
	models, _ := d.get("models")
	for _, m := range models.values {
		specs, _ := expand(m.Value) // has been checked
		for _, spec := range specs {
			g.Models = append(g.Models, Placed{spec, m.Line, m.Column})
		}
	}
	servers, _ := d.get("servers")
	g.Servers = servers.values
	switch n := len(g.Models) + len(g.Servers); {
	case n > MaxModels:
		return Grid{}, cmp.Or(models.at, servers.at).wrong(fmt.Errorf("%d models and servers: want at most %d, which take turns in each experiment", n, MaxModels))
	case g.Alone && g.Reference.Value != "":
		return Grid{}, d.one("alone").wrong(errors.New("alone leaves out the reference that reference names: say one of them"))
	case g.Alone && n == 0:
		return Grid{}, d.one("alone").wrong(errors.New("alone leaves the reference out: say with models what remains"))
	}
	// They have been checked: what isn't given stays 0.
	if seed := d.one("seed"); seed.Value != "" {
		n, _ := parseSeed(seed.Value)
		g.Seed = &n
	}
	if budget := d.one("budget"); budget.Value != "" {
		g.Budget, _ = parseBudget(budget.Value)
	}
	if precision := d.one("precision"); precision.Value != "" {
		g.Precision, _ = ParsePrecision(precision.Value)
	}
	if blocks := d.one("blocks"); blocks.Value != "" {
		g.Blocks, _ = parseBlocks(blocks.Value)
	}
	var err error
	if g.Points, err = d.points(most, find); err != nil {
		return Grid{}, err
	}
	expect, _ := d.get("expect")
	g.Expect = expect.values
	return g, g.checkExpected()
}

// checkExpected refuses expectations of points that the grid doesn't have.
func (g Grid) checkExpected() error {
	for _, p := range g.Expect {
		e, _ := ParseExpectation(p.Value) // has been checked
		if slices.ContainsFunc(g.Points, func(at Point) bool { return e.Here(at.Axes) }) {
			continue
		}
		var where []string
		for _, a := range e.At {
			where = append(where, a.Key+"="+a.Value)
		}
		return p.wrong(fmt.Errorf("%q: no point of this grid has %s (at names axes that vary, as tables call them)", p.Value, strings.Join(where, " and ")))
	}
	return nil
}

// points are the experiments of a document: every combination of its axes,
// those of the first key changing last.
func (d document) points(most int, find func(string) (Scenario, error)) ([]Point, error) {
	base, _ := Named("hello")
	base.Name, base.Claim = Custom, ""
	sends := ""
	for _, g := range d {
		if g.name != "clients" && g.name != "rates" {
			continue
		}
		if sends != "" {
			return nil, g.at.wrong(fmt.Errorf("%s beside %s: want one of them (clients are answered before they send again, a rate waits for nobody)", g.name, sends))
		}
		sends = g.name
	}
	named := map[string]Scenario{}
	scenarios, loads := d.get("scenarios")
	for _, v := range scenarios.values {
		s, err := find(v.Value)
		if err != nil {
			return nil, v.wrong(err)
		}
		for _, other := range named {
			if other.Name == s.Name {
				return nil, v.wrong(fmt.Errorf("scenario %s is given twice", s.Name))
			}
		}
		named[v.Value] = s
	}
	var axes []given
	n := 1
	for _, g := range d {
		if g.axis == "" {
			continue
		}
		loads = loads || g.load()
		axes = append(axes, g)
		if n *= len(g.values); n > most {
			return nil, g.at.wrong(fmt.Errorf("more than %d experiments in a sweep: want fewer values, or several sweeps", MaxPoints))
		}
	}
	switch {
	case !loads:
		return nil, d[0].at.wrong(errors.New("no load: want scenarios, such as [keepalive, io], or clients, rates, wait and so on for one of your own"))
	case most < 1:
		return nil, d[0].at.wrong(fmt.Errorf("more than %d experiments in a sweep: want fewer values, or several sweeps", MaxPoints))
	}
	points := make([]Point, 0, n)
	for i := range n {
		c := combination{base: base, values: make([]Placed, len(axes)), axes: axes, from: d[0].at}
		for j, rest := len(axes)-1, i; j >= 0; j-- {
			values := axes[j].values
			c.values[j], rest = values[rest%len(values)], rest/len(values)
			if axes[j].axis == axisScenario {
				c.base, c.from = named[c.values[j].Value], c.values[j]
			}
		}
		p, err := c.point()
		if err != nil {
			return nil, err
		}
		points = append(points, p)
	}
	return points, nil
}

// A combination is one value of each axis.
type combination struct {
	base   Scenario
	from   Placed // the scenario's name, or where the document begins
	axes   []given
	values []Placed
}

func (c combination) point() (Point, error) {
	s, key, err := c.scenario(-1)
	if err != nil {
		return Point{}, c.blame(key).wrong(fmt.Errorf("%s: %w", c.base.Name, err))
	}
	p := Point{Name: s.Name, Scenario: s, From: c.blame("")}
	for i, axis := range c.axes {
		v := c.values[i]
		if axis.axis == axisCPUs {
			p.ServerCPUs = v
		}
		if len(axis.values) == 1 {
			continue
		}
		p.Axes = append(p.Axes, Axis{axis.axis, v.Value})
		if axis.axis != axisScenario {
			p.Name += "-" + axis.axis + "-" + sanitise(v.Value)
		}
	}
	return p, nil
}

// scenario is the load of the combination, or of all but one of its axes, and
// what is wrong with it.
func (c combination) scenario(without int) (s Scenario, key string, err error) {
	values := map[string]string{}
	for i, axis := range c.axes {
		if axis.load() && i != without {
			values[axis.axis] = c.values[i].Value
		}
	}
	s, err = c.base.With(values)
	if e, ok := errors.AsType[*KeyError](err); ok {
		return Scenario{}, e.Key, err
	}
	if key, err = s.problem(); err != nil {
		return Scenario{}, key, err
	}
	if work := s.Wait.Mean() + s.Spin.Mean(); work >= s.Patience() {
		return Scenario{}, "wait", fmt.Errorf("a request takes %v at work, and clients give up after %v", work, s.Patience())
	}
	return s, "", nil
}

// blame is the value that makes the load wrong: that of the key, or one without
// which nothing would be wrong; else what there is: the scenario, or the first
// value.
func (c combination) blame(key string) Placed {
	for i, axis := range c.axes {
		if axis.load() && axis.axis == key {
			return c.values[i]
		}
	}
	for i, axis := range c.axes {
		if !axis.load() || key == "" {
			continue
		}
		if _, _, err := c.scenario(i); err == nil {
			return c.values[i]
		}
	}
	for i, axis := range c.axes {
		if axis.load() && c.base.Name == Custom {
			return c.values[i]
		}
	}
	return c.from
}

// longestPoint is how many bytes of a point's name are kept. File systems have
// room for twice as many, and a number and an extension may follow.
const longestPoint = 120

// sanitise is a value as a part of a file's name.
func sanitise(v string) string {
	return strings.Join(strings.FieldsFunc(v, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_')
	}), "-")
}

// names are those that are taken, in lower case, and how often they were asked
// for.
type names map[string]int

// unique is name, or, where that is taken, name-2 and so on.
func (n names) unique(name string) string {
	name = name[:min(len(name), longestPoint)]
	asked := strings.ToLower(name)
	for {
		n[asked]++
		if n[asked] == 1 {
			return name
		}
		numbered := name + "-" + strconv.Itoa(n[asked])
		if lower := strings.ToLower(numbered); n[lower] == 0 {
			n[lower] = 1
			return numbered
		}
	}
}

// wrong is an error about p.
func (p Placed) wrong(err error) error { return &yamlError{p.position(), err.Error()} }
