package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A key is a field of a scenario in words: as a flag of `workbench run`, where
// "_" is "-", and in a file.
type key struct {
	name    string
	takes   takes
	means   string                        // in a file's comment
	example string                        // of a value, where it has none
	get     func(Scenario) string         // "" where it is left out
	set     func(*Scenario, string) error // never called with what get gives for left out
}

// takes is what a file has for a key.
type takes int

const (
	text   takes = iota // mine
	whole               // 64
	either              // 5ms, 0
	truth               // true
)

// keys are all fields, in the order in which they are written and read.
var keys = []key{
	{"name", text, "what results call it; without, the file's name", "mine",
		func(s Scenario) string { return s.Name },
		func(s *Scenario, v string) error { s.Name = v; return checkName(v) }},
	{"claim", text, "what it shows, in one line; the plan doesn't know it", "'what this load is to show'",
		func(s Scenario) string { return s.Claim },
		func(s *Scenario, v string) error { s.Claim = v; return checkClaim(v) }},
	{"loop", text, "closed, open or partly-open; without, it follows from what is below", LoopClosed,
		func(s Scenario) string { return s.Loop },
		func(s *Scenario, v string) error { s.Loop = v; return nil }},
	{"clients", whole, "closed loop: how many; each sends its next request when it is answered", "64",
		func(s Scenario) string { return leaveOut(s.Clients, 0) },
		func(s *Scenario, v string) (err error) { s.Clients, err = parseWhole(v); return err }},
	{"rate", either, "open loop, instead of clients: arrivals/s, or capacity: what the reference answers at most", "500",
		func(s Scenario) string {
			if s.OfCapacity {
				return capacity
			}
			if s.Rate == 0 {
				return ""
			}
			return FormatRate(s.Rate)
		},
		func(s *Scenario, v string) (err error) { s.Rate, s.OfCapacity, err = ParseRate(v); return err }},
	{"arrivals", text, "open loop: poisson or constant", ArrivalsPoisson,
		func(s Scenario) string { return s.Arrivals },
		func(s *Scenario, v string) error { s.Arrivals = v; return nil }},
	{"cycle", either, "open loop: how the rate varies, over and over: for how long how many times the rate", "250ms*1,750ms*0",
		func(s Scenario) string { return s.Cycle.String() },
		func(s *Scenario, v string) (err error) { s.Cycle, err = ParseCycle(v); return err }},
	{"requests_per_connection", whole, "one after the other; at a rate, 2 or more are a session: partly-open", "1",
		func(s Scenario) string { return strconv.Itoa(s.RequestsPerConnection) },
		func(s *Scenario, v string) (err error) { s.RequestsPerConnection, err = parseWhole(v); return err }},
	{"conversation", text, "http, or once: one read, one fixed answer, close", ConversationHTTP,
		func(s Scenario) string { return s.Conversation },
		func(s *Scenario, v string) error { s.Conversation = v; return nil }},
	{"think", either, "pause of a client between connections, partly-open: between requests", "exp:20ms",
		func(s Scenario) string { return leaveOut(s.Think, Dist{}) },
		func(s *Scenario, v string) (err error) { s.Think, err = ParseDist(v); return err }},
	{"wait", either, "the server waits, without CPU: " + forms, "lognormal:5ms,cs2=4",
		func(s Scenario) string { return leaveOut(s.Wait, Dist{}) },
		func(s *Scenario, v string) (err error) { s.Wait, err = ParseDist(v); return err }},
	{"spin", either, "the server burns CPU, for a time written likewise", "200us",
		func(s Scenario) string { return leaveOut(s.Spin, Dist{}) },
		func(s *Scenario, v string) (err error) { s.Spin, err = ParseDist(v); return err }},
	{"bytes", either, "size of an answer's body; without, the server's default", "4KiB",
		func(s Scenario) string {
			if s.Bytes == 0 {
				return ""
			}
			return FormatBytes(s.Bytes)
		},
		func(s *Scenario, v string) (err error) { s.Bytes, err = ParseBytes(v); return err }},
	{"idle", whole, "further connections that are answered once and then held, silent", "1000",
		func(s Scenario) string { return leaveOut(s.Idle, 0) },
		func(s *Scenario, v string) (err error) { s.Idle, err = parseWhole(v); return err }},
	{"slow", either, "share of clients that dribble their requests, and for how long each", "10%*200ms",
		func(s Scenario) string { return s.Slow.String() },
		func(s *Scenario, v string) (err error) { s.Slow, err = ParseSlow(v); return err }},
	{"timeout", either, "how long a client waits for an answer", formatMicros(DefaultTimeout.Microseconds()),
		func(s Scenario) string { return leaveOut(s.Timeout, 0) },
		func(s *Scenario, v string) error { return s.Timeout.UnmarshalText([]byte(v)) }},
}

// leaveOut is v in words, "" if it is what is left out.
func leaveOut[T comparable](v, out T) string {
	if v == out {
		return ""
	}
	return fmt.Sprint(v)
}

func parseWhole(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("%q: want a whole number", s)
	}
	if digits := strings.TrimLeft(s, "+-"); len(digits) > 1 && digits[0] == '0' { // in some YAML it is octal
		return 0, fmt.Errorf("%q: want a whole number without leading zeros", s)
	}
	return n, nil
}

func keyNames() []string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	return names
}

// capacity is the rate that isn't known yet.
const capacity = "capacity"

// wantRate says what a rate is.
var wantRate = fmt.Sprintf("arrivals/s, at least 0.001 and at most %d, with up to three decimals, or %q", MaxRate, capacity)

// ParseRate reads a rate in arrivals/s with up to three decimals, or
// "capacity": what the reference is seen to answer at most, which is 0 for now.
func ParseRate(s string) (perSecond float64, ofCapacity bool, err error) {
	if s == capacity {
		return 0, true, nil
	}
	thousandths, ok := parseThousandths(s)
	if !ok || thousandths == 0 || thousandths > MaxRate*1000 {
		return 0, false, fmt.Errorf("%q is no rate: want %s", s, wantRate)
	}
	return float64(thousandths) / 1000, false, nil
}

// FormatRate writes a rate in arrivals/s with the thousandths that count, as
// [ParseRate] reads it.
func FormatRate(perSecond float64) string {
	return formatThousandths(int64(math.Round(perSecond * 1000)))
}

// A KeyError says which field of a scenario was given something that is wrong.
type KeyError struct {
	Key string // as in a file: "requests_per_connection"
	Err error
}

func (e *KeyError) Error() string { return e.Key + ": " + e.Err.Error() }
func (e *KeyError) Unwrap() error { return e.Err }

// Flag is the key as a flag of `workbench run`.
func (e *KeyError) Flag() string { return flag(e.Key) }

func flag(key string) string { return "--" + strings.ReplaceAll(key, "_", "-") }

// With is s with other values for some fields, by their keys: those of its
// form in a file, in words. The loop follows: a rate makes s open, or partly
// open if there are several requests on a connection, and drops the clients;
// clients make it closed, and drop the rate and what belongs to it. A value
// that can't be read is a [KeyError]. Whether what comes out makes sense is
// for [Scenario.Validate] to say.
func (s Scenario) With(values map[string]string) (Scenario, error) {
	for name := range values {
		if !slices.Contains(keyNames(), name) {
			return Scenario{}, &KeyError{name, unknownKey(name)}
		}
	}
	_, clients := values["clients"]
	_, rate := values["rate"]
	switch {
	case clients && rate:
		return Scenario{}, &KeyError{"rate", fmt.Errorf("%s beside %s clients: want one of them (clients are answered before they send again, a rate waits for nobody)", values["rate"], values["clients"])}
	case clients:
		s.Rate, s.OfCapacity, s.Arrivals, s.Cycle = 0, false, "", Cycle{}
	case rate:
		s.Clients = 0
	}
	for _, k := range keys {
		v, given := values[k.name]
		if !given {
			continue
		}
		if err := k.set(&s, v); err != nil {
			return Scenario{}, &KeyError{k.name, err}
		}
	}
	if _, given := values["loop"]; !given {
		switch {
		case s.Rate == 0 && !s.OfCapacity:
			s.Loop = LoopClosed
		case s.RequestsPerConnection > 1:
			s.Loop = LoopPartlyOpen
		default:
			s.Loop = LoopOpen
		}
	}
	if s.Loop != LoopClosed {
		s.Arrivals = cmp.Or(s.Arrivals, ArrivalsPoisson)
	}
	return s, nil
}

func unknownKey(name string) error {
	names := keyNames()
	have := strings.Join(names, ", ")
	if near := nearest(name, names); near != "" {
		return fmt.Errorf("unknown key %q: did you mean %q? (keys: %s)", name, near, have)
	}
	return fmt.Errorf("unknown key %q (keys: %s)", name, have)
}

// Args is s as arguments of `workbench run`, spelled out (a scenario of the
// catalogue also goes by --scenario NAME). What has its default is left out,
// but clients or rate, and requests per connection, always stand there. A rate
// that is of capacity stays so, resolved or not: whoever runs the command has a
// machine of their own.
func (s Scenario) Args() []string {
	var args []string
	for _, k := range keys {
		v := k.get(s)
		switch {
		case v == "", k.name == "name", k.name == "claim", k.name == "loop": // the loop follows from the others
			continue
		case k.name == "conversation" && v == ConversationHTTP, k.name == "arrivals" && v == ArrivalsPoisson:
			continue
		}
		args = append(args, flag(k.name), v)
	}
	return args
}

// Flags is [Scenario.Args] in one line to paste into a shell. A value that a
// shell would take for a pattern is quoted.
func (s Scenario) Flags() string {
	args := s.Args()
	for i, a := range args {
		if strings.Contains(a, "*") {
			args[i] = "'" + a + "'"
		}
	}
	return strings.Join(args, " ")
}

// checkName refuses names that no file could have everywhere.
func checkName(name string) error {
	const most = 64
	fit := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
	}
	if name == "" || len(name) > most || name[0] == '-' || strings.ContainsFunc(name, func(r rune) bool { return !fit(r) }) {
		return fmt.Errorf("%q: want up to %d letters, digits, - and _ (results are filed under it)", name, most)
	}
	return nil
}

func checkClaim(claim string) error {
	const most = 200
	if len(claim) > most || strings.ContainsFunc(claim, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return fmt.Errorf("want one line of at most %d bytes", most)
	}
	if strings.TrimSpace(claim) != claim || claim == "" {
		return errors.New("want words, with nothing before and after them")
	}
	return nil
}
