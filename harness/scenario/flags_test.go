package scenario

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"
)

func TestFlagsNameWhatDiffersFromTheDefault(t *testing.T) {
	for _, row := range []struct {
		is   string
		s    Scenario
		want string
	}{
		{"a closed loop", Scenario{
			Loop: LoopClosed, Conversation: ConversationHTTP, Clients: 500, RequestsPerConnection: 10,
			Think: Constant(time.Second), Wait: Exponential(8 * time.Millisecond), Spin: Constant(300 * time.Microsecond), Bytes: 4096,
		}, "--clients 500 --requests-per-connection 10 --think 1s --wait exp:8ms --spin 300us --bytes 4KiB"},
		{"the teaching server", Scenario{Loop: LoopClosed, Conversation: ConversationOnce, Clients: 64, RequestsPerConnection: 1},
			"--clients 64 --requests-per-connection 1 --conversation once"},
		{"sessions", sessions,
			"--rate 1234.567 --cycle '20ms*1,5ms*0,1ms*3.5' --requests-per-connection 5 --think exp:3ms --wait lognormal:2ms,cs2=1.5 " +
				"--idle 10 --slow '10%*200ms' --timeout 1s"},
		{"constant arrivals", openLoop(8000, ArrivalsConstant, ""), "--rate 8000 --arrivals constant --requests-per-connection 1"},
		{"a capacity that a pilot found", Scenario{Loop: LoopOpen, Conversation: ConversationHTTP, Rate: 12345, OfCapacity: true, Arrivals: ArrivalsPoisson, RequestsPerConnection: 1},
			"--rate capacity --requests-per-connection 1"},
	} {
		if got := row.s.Flags(); got != row.want {
			t.Errorf("%s: flags %s\nwant  %s", row.is, got, row.want)
		}
	}
}

// fromArgs reads what Args writes, as a command line would, on top of what its
// flags change when there is no other scenario.
func fromArgs(t *testing.T, args []string) (Scenario, error) {
	t.Helper()
	hello, err := Named("hello")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for i := 0; i < len(args); i += 2 {
		values[strings.ReplaceAll(strings.TrimPrefix(args[i], "--"), "-", "_")] = args[i+1]
	}
	return hello.With(values)
}

func TestEveryScenarioSurvivesItsFlags(t *testing.T) {
	open := openLoop(0.125, ArrivalsConstant, "1s*0.001,1h*1000")
	open.Conversation = ConversationOnce
	for _, s := range append(Catalogue(), load, sessions, open) {
		back, err := fromArgs(t, s.Args())
		back.Name, back.Claim = s.Name, s.Claim
		if err != nil || back != s {
			t.Errorf("%s: %s came back as\n%+v, %v, want\n%+v", s.Name, s.Flags(), back, err, s)
		}
	}
}

func TestWith(t *testing.T) {
	for _, row := range []struct {
		is, base string
		values   map[string]string
		want     string // flags
		loop     string
	}{
		{"nothing", "io", nil, "--clients 64 --requests-per-connection 1 --wait exp:10ms", LoopClosed},
		{"a rate takes the clients' place", "io", map[string]string{"rate": "500"}, "--rate 500 --requests-per-connection 1 --wait exp:10ms", LoopOpen},
		{"a rate makes sessions of many requests", "keepalive", map[string]string{"rate": "50"}, "--rate 50 --requests-per-connection 100", LoopPartlyOpen},
		{"many requests make sessions", "burst", map[string]string{"requests_per_connection": "2"}, "--rate 8000 --cycle '250ms*1,750ms*0' --requests-per-connection 2", LoopPartlyOpen},
		{"clients take the rate's place, and its cycle's", "burst", map[string]string{"clients": "8"}, "--clients 8 --requests-per-connection 1", LoopClosed},
		{"a rate takes the place of a capacity", "overload", map[string]string{"rate": "100", "timeout": "2s"},
			"--rate 100 --cycle '1s*0.5,1s*1.5,1s*0.5' --requests-per-connection 1 --spin 200us --timeout 2s", LoopOpen},
		{"what is 0 goes", "overload", map[string]string{"cycle": "0", "spin": "0", "timeout": "0"}, "--rate capacity --requests-per-connection 1", LoopOpen},
		{"arrivals of another kind", "burst", map[string]string{"arrivals": "constant"}, "--rate 8000 --arrivals constant --cycle '250ms*1,750ms*0' --requests-per-connection 1", LoopOpen},
	} {
		base, err := Named(row.base)
		if err != nil {
			t.Fatal(err)
		}
		before := maps.Clone(row.values)
		s, err := base.With(row.values)
		if err != nil || s.Flags() != row.want || s.Loop != row.loop {
			t.Errorf("%s: %s in a loop that is %s, %v\nwant %s, %s", row.is, s.Flags(), s.Loop, err, row.want, row.loop)
		}
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", row.is, err)
		}
		if !maps.Equal(before, row.values) {
			t.Errorf("%s: the values were changed", row.is)
		}
	}
}

func TestWithSaysWhatWouldBeRight(t *testing.T) {
	hello, err := Named("hello")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ is, key, value, says string }{
		{"a wait in words", "wait", "soon", "200us, 5ms or 1s"},
		{"half a client", "clients", "0.5", "want a whole number"},
		{"a rate with a unit", "rate", "500/s", "want arrivals/s, at least 0.001"},
		{"a cycle of nothing", "cycle", "1s", "250ms*1,750ms*0"},
		{"slow clients without a share", "slow", "200ms", "10%*200ms"},
		{"a timeout without a unit", "timeout", "5", "want 5us, 5ms or 5s"},
		{"a size in another unit", "bytes", "4KB", "4KiB"},
		{"a name with a space", "name", "my load", "letters, digits, - and _"},
		{"a claim of two lines", "claim", "one\ntwo", "one line"},
		{"a key that there isn't", "requests-per-connection", "5", `did you mean "requests_per_connection"`},
	} {
		_, err := hello.With(map[string]string{row.key: row.value})
		e, ok := errors.AsType[*KeyError](err)
		if !ok || e.Key != row.key || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line about %q that says %q", row.is, err, row.key, row.says)
		}
	}
	_, err = hello.With(map[string]string{"rate": "5", "clients": "6"})
	if e, ok := errors.AsType[*KeyError](err); !ok || e.Flag() != "--rate" || !strings.Contains(err.Error(), "5 beside 6 clients: want one of them") {
		t.Errorf("clients and a rate: %v", err)
	}
	if e := (&KeyError{Key: "requests_per_connection"}); e.Flag() != "--requests-per-connection" {
		t.Errorf("the flag is %s", e.Flag())
	}
}

func TestParseRate(t *testing.T) {
	for _, row := range []struct {
		is, in     string
		rate       float64
		ofCapacity bool
	}{
		{"a round number", "8000", 8000, false},
		{"thousandths", "0.001", 0.001, false},
		{"more decimals than it needs", "2.500", 2.5, false},
		{"the highest", "1000000", 1e6, false},
		{"what the reference can answer", "capacity", 0, true},
	} {
		rate, ofCapacity, err := ParseRate(row.in)
		if err != nil || rate != row.rate || ofCapacity != row.ofCapacity {
			t.Errorf("%s: %q is %v, %v, %v", row.is, row.in, rate, ofCapacity, err)
		}
	}
	for _, in := range []string{"", "0", "0.0", "0.0005", "-1", "+1", "1e3", "8,000", "8k", "500/s", ".5", "5.", "1.2345", "1000000.001", "1000000000000000000000", "Capacity", "NaN", "Inf", " 5"} {
		if rate, ofCapacity, err := ParseRate(in); err == nil || rate != 0 || ofCapacity ||
			!strings.Contains(err.Error(), `want arrivals/s, at least 0.001 and at most 1000000, with up to three decimals, or "capacity"`) {
			t.Errorf("%q is %v, %v, %v", in, rate, ofCapacity, err)
		}
	}
	for rate, want := range map[float64]string{8000: "8000", 0.5: "0.5", 1e6: "1000000", 12345.6789: "12345.679", 0.001: "0.001"} {
		if got := FormatRate(rate); got != want {
			t.Errorf("%v is written %s, want %s", rate, got, want)
		}
	}
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"8000", "0.001", "capacity", "1e3", "1000000", "999999.999", "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rate, ofCapacity, err := ParseRate(s)
		if err != nil || ofCapacity {
			return
		}
		if !(rate >= 0.001 && rate <= MaxRate) {
			t.Errorf("%q is %v", s, rate)
		}
		if again, _, err := ParseRate(FormatRate(rate)); err != nil || again != rate {
			t.Errorf("%q is %v, written %s, read back %v, %v", s, rate, FormatRate(rate), again, err)
		}
	})
}
