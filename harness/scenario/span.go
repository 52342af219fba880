package scenario

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// A Span is a duration in whole microseconds, written as "250ms".
type Span int64

// Duration is the span as package time has it.
func (s Span) Duration() time.Duration { return time.Duration(s) * time.Microsecond }

// String writes s in the largest unit in which it is a whole number.
func (s Span) String() string { return formatMicros(int64(s)) }

// MarshalText writes s as String does.
func (s Span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String writes, and any duration in Go's notation.
func (s *Span) UnmarshalText(text []byte) error {
	us, err := parseMicros(string(text))
	*s = Span(us)
	return err
}

// Slow is a share of clients that dribble their requests, byte by byte, over
// a time: "10%*200ms". The zero value is nobody.
type Slow struct {
	ppm  int64 // share in millionths
	over Span
}

// ParseSlow reads "10%*200ms"; "" and "0" are nobody.
func ParseSlow(s string) (Slow, error) {
	if s == "" || s == "0" {
		return Slow{}, nil
	}
	share, over, found := strings.Cut(s, "*")
	if !found {
		return Slow{}, fmt.Errorf("slow clients %q: want SHARE%%*DURATION, as in 10%%*200ms", s)
	}
	ppm := int64(1e6)
	var err error
	if share != "100%" {
		ppm, err = parsePercent(share)
	}
	us, err2 := parseMicros(over)
	if err := cmp.Or(err, err2); err != nil {
		return Slow{}, fmt.Errorf("slow clients %q: %w", s, err)
	}
	if us == 0 {
		return Slow{}, fmt.Errorf("slow clients %q: want a time above 0", s)
	}
	return Slow{ppm: ppm, over: Span(us)}, nil
}

// Over is how long a slow client takes to send a request.
func (s Slow) Over() time.Duration { return s.over.Duration() }

// Share is the fraction of clients that are slow.
func (s Slow) Share() float64 { return float64(s.ppm) / 1e6 }

// IsZero reports whether nobody is slow.
func (s Slow) IsZero() bool { return s == Slow{} }

// String writes s as ParseSlow reads it, "" for nobody.
func (s Slow) String() string {
	if s.IsZero() {
		return ""
	}
	return formatPercent(s.ppm) + "*" + s.over.String()
}

// MarshalText writes s as String does.
func (s Slow) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads s as ParseSlow does.
func (s *Slow) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSlow(string(text))
	return err
}

// A Cycle says how a rate varies: phases, each for a time at so many times
// the rate, over and over: "250ms*1,750ms*0". The zero value is a rate that
// doesn't vary. Cycles are comparable with ==.
type Cycle struct {
	phases [maxPhases]Phase
	n      int
}

const maxPhases = 8

// A Phase is a part of a cycle.
type Phase struct {
	For         Span
	Thousandths int64 // of the rate: 1,500 is 1.5 times
}

// Phases are the parts of c, none where the rate doesn't vary.
func (c Cycle) Phases() []Phase { return c.phases[:c.n:c.n] }

// Length is how long a cycle is, 0 where there is none.
func (c Cycle) Length() (d time.Duration) {
	for _, p := range c.Phases() {
		d += p.For.Duration()
	}
	return d
}

// IsZero reports whether the rate doesn't vary.
func (c Cycle) IsZero() bool { return c.n == 0 }

// ParseCycle reads "250ms*1,750ms*0"; "" and "0" are no cycle.
func ParseCycle(s string) (c Cycle, err error) {
	const form = "DURATION*TIMES,... as in 250ms*1,750ms*0"
	if s == "" || s == "0" {
		return Cycle{}, nil
	}
	some := false
	for part := range strings.SplitSeq(s, ",") {
		length, factor, found := strings.Cut(strings.TrimSpace(part), "*")
		if !found {
			return Cycle{}, fmt.Errorf("cycle %q: want %s", s, form)
		}
		if c.n == maxPhases {
			return Cycle{}, fmt.Errorf("cycle %q: want at most %d phases", s, maxPhases)
		}
		us, err := parseMicros(length)
		if err != nil {
			return Cycle{}, fmt.Errorf("cycle %q: %w", s, err)
		}
		thousandths, ok := parseThousandths(factor)
		if !ok || thousandths > 1_000_000 || us == 0 {
			return Cycle{}, fmt.Errorf("cycle %q: want %s, a time above 0 at 0 to 1000 times the rate, with up to three decimals", s, form)
		}
		some = some || thousandths > 0
		c.phases[c.n] = Phase{Span(us), thousandths}
		c.n++
	}
	if !some {
		return Cycle{}, fmt.Errorf("cycle %q: nothing ever arrives", s)
	}
	return c, nil
}

// String writes c as ParseCycle reads it, "" for none.
func (c Cycle) String() string {
	var parts []string
	for _, p := range c.Phases() {
		parts = append(parts, p.For.String()+"*"+formatThousandths(p.Thousandths))
	}
	return strings.Join(parts, ",")
}

// MarshalText writes c as String does.
func (c Cycle) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads c as ParseCycle does.
func (c *Cycle) UnmarshalText(text []byte) (err error) {
	*c, err = ParseCycle(string(text))
	return err
}

// Equal reports whether s and o are the same. It is there for go-cmp.
func (s Slow) Equal(o Slow) bool { return s == o }

// Equal reports whether c and o are the same. It is there for go-cmp.
func (c Cycle) Equal(o Cycle) bool { return c == o }
