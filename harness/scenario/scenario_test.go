package scenario

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCatalogue(t *testing.T) {
	want := []struct{ name, flags string }{
		{"hello", "--clients 64 --requests-per-connection 1"},
		{"keepalive", "--clients 64 --requests-per-connection 100"},
		{"io", "--clients 64 --requests-per-connection 1 --wait exp:10ms"},
		{"cpu", "--clients 16 --requests-per-connection 1 --spin 200us"},
		{"mixed", "--clients 64 --requests-per-connection 1 --wait 'two:99%*2ms,1%*100ms'"},
		{"slow-clients", "--clients 64 --requests-per-connection 1 --slow '10%*200ms'"},
		{"idle", "--clients 64 --requests-per-connection 100 --idle 1000"},
		{"burst", "--rate 8000 --cycle '250ms*1,750ms*0' --requests-per-connection 1"},
		{"overload", "--rate capacity --cycle '1s*0.5,1s*1.5,1s*0.5' --requests-per-connection 1 --spin 200us --timeout 1s"},
		{"large", "--clients 64 --requests-per-connection 10 --bytes 256KiB"},
	}
	all := Catalogue()
	if len(all) != len(want) {
		t.Fatalf("%d scenarios, want %d", len(all), len(want))
	}
	for i, w := range want {
		s := all[i]
		if s.Name != w.name || s.Flags() != w.flags {
			t.Errorf("scenario %d: %s: %s\nwant %s: %s", i, s.Name, s.Flags(), w.name, w.flags)
		}
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		if s.Claim == "" || strings.Contains(s.Claim, "\n") {
			t.Errorf("%s: claim %q is not one line", s.Name, s.Claim)
		}
		if named, err := Named(w.name); err != nil || named != s {
			t.Errorf("Named(%q) = %v, %v", w.name, named, err)
		}
	}
}

func TestNamedSaysWhatWouldBeRight(t *testing.T) {
	const all = "there are hello, keepalive, io, cpu, mixed, slow-clients, idle, burst, overload, large"
	for _, row := range []struct {
		is, name string
		says     []string
		not      string
	}{
		{"a letter left out", "helo", []string{`did you mean "hello"`, all}, ""},
		{"a letter too many", "ios", []string{`did you mean "io"`}, ""},
		{"two letters swapped", "mixde", []string{`did you mean "mixed"`}, ""},
		{"capitals", "CPU", []string{`did you mean "cpu"`}, ""},
		{"nothing like any", "database", []string{"unknown", all}, "did you mean"},
		{"as short as a name but nothing like it", "xy", []string{"unknown", all}, "did you mean"},
		{"empty", "", []string{"unknown", all}, "did you mean"},
		{"the plural left out", "slow-client", []string{`did you mean "slow-clients"`}, ""},
		{"a word that two are short of", "overloaded", []string{`did you mean "overload"`}, ""},
	} {
		_, err := Named(row.name)
		if err == nil {
			t.Errorf("%s: %q was found", row.is, row.name)
			continue
		}
		for _, says := range row.says {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%s: error %q doesn't say %q", row.is, err, says)
			}
		}
		if row.not != "" && strings.Contains(err.Error(), row.not) {
			t.Errorf("%s: error %q says %q", row.is, err, row.not)
		}
	}
}

func TestValidate(t *testing.T) {
	closed := Scenario{Name: Custom, Loop: LoopClosed, Conversation: ConversationHTTP, Clients: 1, RequestsPerConnection: 1}
	open := Scenario{Name: Custom, Loop: LoopOpen, Conversation: ConversationHTTP, Rate: 100, Arrivals: ArrivalsPoisson, RequestsPerConnection: 1}
	sessions := open
	sessions.Loop, sessions.RequestsPerConnection = LoopPartlyOpen, 10
	once := closed
	once.Conversation = ConversationOnce
	for _, row := range []struct {
		is     string
		base   Scenario
		change func(*Scenario)
		says   string // "" if valid
	}{
		{"the least there is", closed, func(s *Scenario) {}, ""},
		{"the most clients", closed, func(s *Scenario) { s.Clients = 10_000 }, ""},
		{"the longest connection", closed, func(s *Scenario) { s.RequestsPerConnection = 1e6 }, ""},
		{"the most work", closed, func(s *Scenario) {
			s.Wait, s.Spin, s.Think, s.Bytes = Constant(time.Minute), Constant(10*time.Second), Constant(time.Minute), 16<<20
		}, ""},
		{"an exponential of which the bound takes 0.99 %", closed, func(s *Scenario) { s.Wait = Exponential(13 * time.Second) }, ""},
		{"an exponential of which it takes 1.03 %", closed, func(s *Scenario) { s.Wait = Exponential(13100 * time.Millisecond) }, "takes 1.03 % of the mean: want a mean, or a variation, of which that takes at most 1 %"},
		{"an exponential whose mean is at the bound", closed, func(s *Scenario) { s.Spin = Exponential(10 * time.Second) }, "no draw is longer than 10s, which takes 36.8 % of the mean"},
		{"a think time that would be cut", closed, func(s *Scenario) { s.Think = Exponential(30 * time.Second) }, "no draw is longer than 60s, which takes 13.5 % of the mean"},
		{"a lognormal of which the bound takes 0.7 %", closed, func(s *Scenario) { s.Wait = mustParseDist("lognormal:2s,cs2=4") }, ""},
		{"a lognormal of which it takes most", closed, func(s *Scenario) { s.Wait = mustParseDist("lognormal:30s,cs2=1000") }, "no draw is longer than 60s, which takes 73.9 % of the mean"},
		{"a lognormal near the bound that hardly varies", closed, func(s *Scenario) { s.Wait = mustParseDist("lognormal:50s,cs2=0.001") }, ""},
		{"no loop", closed, func(s *Scenario) { s.Loop = "" }, `want "closed"`},
		{"a conversation nobody speaks", closed, func(s *Scenario) { s.Conversation = "gopher" }, `want "http" or "once"`},
		{"nobody", closed, func(s *Scenario) { s.Clients = 0 }, "want 1 to 10000"},
		{"a crowd", closed, func(s *Scenario) { s.Clients = 10_001 }, "descriptors"},
		{"connections without requests", closed, func(s *Scenario) { s.RequestsPerConnection = 0 }, "want 1 to 1000000"},
		{"connections too long", closed, func(s *Scenario) { s.RequestsPerConnection = 1e6 + 1 }, "want 1 to 1000000"},
		{"a wait too long", closed, func(s *Scenario) { s.Wait = Constant(time.Minute + time.Microsecond) }, "want at most 60s"},
		{"an upper point too long", closed, func(s *Scenario) { s.Spin = mustParseDist("two:99%*1us,1%*11s") }, "want at most 10s"},
		{"a mean too long", closed, func(s *Scenario) { s.Spin = Exponential(11 * time.Second) }, "want at most 10s"},
		{"a lognormal's mean too long", closed, func(s *Scenario) { s.Spin = mustParseDist("lognormal:11s,cs2=0.001") }, "want at most 10s"},
		{"a think time too long", closed, func(s *Scenario) { s.Think = Constant(time.Hour) }, "want at most 60s"},
		{"a negative size", closed, func(s *Scenario) { s.Bytes = -1 }, "16MiB"},
		{"a size too large", closed, func(s *Scenario) { s.Bytes = 16<<20 + 1 }, "16MiB"},

		{"a closed loop with a rate", closed, func(s *Scenario) { s.Rate = 100 }, "leave it out, or take clients out"},
		{"a closed loop at capacity", closed, func(s *Scenario) { s.OfCapacity = true }, "rate capacity: a closed loop's clients"},
		{"a closed loop with arrivals", closed, func(s *Scenario) { s.Arrivals = ArrivalsPoisson }, `arrivals "poisson": a closed loop's clients`},
		{"a closed loop with a cycle", closed, func(s *Scenario) { s.Cycle = mustParseCycle("1s*1") }, "cycle 1s*1: a closed loop's clients"},

		{"an open loop", open, func(s *Scenario) {}, ""},
		{"an open loop of constant arrivals", open, func(s *Scenario) { s.Arrivals = ArrivalsConstant }, ""},
		{"the lowest rate", open, func(s *Scenario) { s.Rate = 0.001 }, ""},
		{"the highest rate", open, func(s *Scenario) { s.Rate = 1e6 }, ""},
		{"the rate of a capacity that isn't known yet", open, func(s *Scenario) { s.Rate, s.OfCapacity = 0, true }, ""},
		{"the rate of a capacity that is", open, func(s *Scenario) { s.OfCapacity = true }, ""},
		{"an open loop with clients", open, func(s *Scenario) { s.Clients = 64 }, "leave clients out, or the rate"},
		{"no rate", open, func(s *Scenario) { s.Rate = 0 }, "at least 0.001"},
		{"a rate finer than what counts", open, func(s *Scenario) { s.Rate = 0.0001 }, "at least 0.001"},
		{"a capacity finer than what counts", open, func(s *Scenario) { s.Rate, s.OfCapacity = 0.0001, true }, "at least 0.001"},
		{"a negative rate", open, func(s *Scenario) { s.Rate = -1 }, "at least 0.001"},
		{"a negative capacity", open, func(s *Scenario) { s.Rate, s.OfCapacity = -1, true }, "at least 0.001"},
		{"a rate that is no number", open, func(s *Scenario) { s.Rate = math.NaN() }, "at least 0.001"},
		{"a rate without end", open, func(s *Scenario) { s.Rate = math.Inf(1) }, "at most 1000000"},
		{"a rate too high", open, func(s *Scenario) { s.Rate = 1e6 + 1 }, "at most 1000000"},
		{"arrivals of no kind", open, func(s *Scenario) { s.Arrivals = "" }, `want "poisson" or "constant"`},
		{"arrivals of another kind", open, func(s *Scenario) { s.Arrivals = "bursty" }, `want "poisson" or "constant"`},
		{"an open loop with sessions", open, func(s *Scenario) { s.RequestsPerConnection = 2 }, `take loop "partly-open"`},
		{"an open loop that thinks", open, func(s *Scenario) { s.Think = Constant(time.Second) }, "leave think out"},
		{"a cycle with pauses", open, func(s *Scenario) { s.Cycle = mustParseCycle("250ms*1,750ms*0") }, ""},
		{"a cycle whose peak is the highest rate", open, func(s *Scenario) { s.Rate, s.Cycle = 1000, mustParseCycle("1s*1000,1s*0") }, ""},
		{"a cycle whose peak is too high", open, func(s *Scenario) { s.Rate, s.Cycle = 1000.001, mustParseCycle("1s*1000,1s*0") }, "1000 times 1000.001 arrivals/s, want at most 1000000"},
		{"a cycle of the lowest rate", open, func(s *Scenario) { s.Rate, s.Cycle = 0.002, mustParseCycle("1s*1,1s*0") }, ""},
		{"a cycle in which hardly anything arrives", open, func(s *Scenario) { s.Rate, s.Cycle = 0.002, mustParseCycle("1s*1,1001ms*0") }, "fewer than one in 1000 s"},
		{"a cycle of a capacity that isn't known yet", open, func(s *Scenario) { s.Rate, s.OfCapacity, s.Cycle = 0, true, mustParseCycle("1s*1000") }, ""},

		{"sessions", sessions, func(s *Scenario) {}, ""},
		{"sessions of one request", sessions, func(s *Scenario) { s.RequestsPerConnection = 1 }, `take loop "open"`},
		{"sessions that think", sessions, func(s *Scenario) { s.Think = Constant(4999 * time.Millisecond) }, ""},
		{"sessions that the server hangs up on", sessions, func(s *Scenario) { s.Think = Constant(5 * time.Second) }, "want less than the server's idle timeout of 5s"},
		{"sessions of which it hangs up on some", sessions, func(s *Scenario) { s.Think = mustParseDist("two:99%*1s,1%*6s") }, "want less than the server's idle timeout of 5s"},
		{"exponential think times of which 0.86 in a million are too long", sessions, func(s *Scenario) { s.Think = Exponential(358 * time.Millisecond) }, ""},
		{"exponential think times of which 1.1 in a million are too long", sessions, func(s *Scenario) { s.Think = Exponential(365 * time.Millisecond) }, "but for one in a million"},
		{"lognormal think times of which hardly any is too long", sessions, func(s *Scenario) { s.Think = mustParseDist("lognormal:1s,cs2=0.1") }, ""},
		{"lognormal think times with a tail", sessions, func(s *Scenario) { s.Think = mustParseDist("lognormal:1s,cs2=1") }, "but for one in a million"},
		{"long think times where the server waits for ever", sessions, func(s *Scenario) { s.Think, s.Idle = Constant(time.Minute), 1 }, ""},
		{"long think times of clients that hang up before", closed, func(s *Scenario) { s.Think = Constant(time.Minute) }, ""},

		{"held connections", closed, func(s *Scenario) { s.Idle = 100_000 }, ""},
		{"held connections beside arrivals", open, func(s *Scenario) { s.Idle = 1000 }, ""},
		{"fewer held connections than none", closed, func(s *Scenario) { s.Idle = -1 }, "want 0 to 100000"},
		{"more held connections than there can be", closed, func(s *Scenario) { s.Idle = 100_001 }, "want 0 to 100000"},
		{"slow clients", closed, func(s *Scenario) { s.Slow = mustParseSlow("100%*4999ms") }, ""},
		{"one slow client", closed, func(s *Scenario) { s.Clients, s.Slow = 100, mustParseSlow("1%*100ms") }, ""},
		{"a share of clients that is not one of them", closed, func(s *Scenario) { s.Clients, s.Slow = 64, mustParseSlow("1%*100ms") }, "slow 1%*100ms: of 64 clients that is not one: want a share of at least 1.5625%, or more clients"},
		{"slow arrivals", open, func(s *Scenario) { s.Slow = mustParseSlow("0.0001%*1us") }, ""},
		{"clients slower than the server bears", closed, func(s *Scenario) { s.Slow = mustParseSlow("1%*5s") }, "want less than the server's timeout of 5s"},
		{"clients slower than their own patience", closed, func(s *Scenario) { s.Slow, s.Timeout = mustParseSlow("100%*1s"), 1e6 }, "want less than the 1s for which clients wait"},
		{"the longest patience", closed, func(s *Scenario) { s.Timeout = 60e6 }, ""},
		{"too long a patience", closed, func(s *Scenario) { s.Timeout = 60e6 + 1 }, "want a time up to 60s, or 0 for 10s"},
		{"negative patience", closed, func(s *Scenario) { s.Timeout = -1 }, "want a time up to 60s"},

		{"the teaching server, with thinking clients", once, func(s *Scenario) { s.Think = Constant(time.Second) }, ""},
		{"the teaching server in an open loop", open, func(s *Scenario) { s.Conversation = ConversationOnce }, ""},
		{"the teaching server with a wait of less than a microsecond", once, func(s *Scenario) { s.Wait = Constant(1) }, ""},
		{"the teaching server with work", once, func(s *Scenario) { s.Spin = Constant(time.Second) }, "carries no work"},
		{"the teaching server with a size", once, func(s *Scenario) { s.Bytes = 1 }, "carries no work"},
		{"the teaching server kept alive", once, func(s *Scenario) { s.RequestsPerConnection = 2 }, "has one"},
		{"the teaching server with sessions", sessions, func(s *Scenario) { s.Conversation = ConversationOnce }, "has one"},
		{"the teaching server with held connections", once, func(s *Scenario) { s.Idle = 1 }, "nothing can be held"},
		{"the teaching server with slow clients", once, func(s *Scenario) { s.Slow = mustParseSlow("100%*200ms") }, "the first byte"},
	} {
		s := row.base
		row.change(&s)
		err := s.Validate()
		switch {
		case row.says == "" && err != nil:
			t.Errorf("%s: %v, want it valid", row.is, err)
		case row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s: error %v, want one line that says %q", row.is, err, row.says)
		}
		if key, err := s.problem(); err != nil && !slices.Contains(keyNames(), key) {
			t.Errorf("%s: the error is about the key %q, which isn't one", row.is, key)
		}
	}
}

func TestResolve(t *testing.T) {
	overload, err := Named("overload")
	if err != nil {
		t.Fatal(err)
	}
	if overload.Resolved() {
		t.Error("overload has a rate before any pilot")
	}
	resolved := overload.Resolve(12345.67891)
	if !resolved.Resolved() || resolved.Rate != 12345.679 || resolved.Validate() != nil {
		t.Errorf("resolved to %v arrivals/s, %v", resolved.Rate, resolved.Validate())
	}
	if again := resolved.Resolve(500); again.Rate != 500 {
		t.Errorf("a second pilot: %v arrivals/s", again.Rate)
	}
	burst, err := Named("burst")
	if err != nil {
		t.Fatal(err)
	}
	if !burst.Resolved() || burst.Resolve(500) != burst {
		t.Error("burst has a rate of its own, and lost it")
	}
	if err := overload.Resolve(1e6).Validate(); err == nil {
		t.Error("1.5 times the highest rate is valid")
	}
}

func TestScenarioInJSON(t *testing.T) {
	mixed, err := Named("mixed")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(mixed)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"name":"mixed","loop":"closed","conversation":"http","clients":64,"requests_per_connection":1,` +
		`"think":"0","wait":"two:99%*2ms,1%*100ms","spin":"0","bytes":0}`
	if string(b) != want {
		t.Errorf("JSON %s\nwant %s", b, want)
	}
	var back Scenario
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	back.Claim = mixed.Claim
	if back != mixed {
		t.Errorf("came back as %+v, want %+v", back, mixed)
	}
	if err := json.Unmarshal([]byte(`{"wait":"5"}`), &back); err == nil || !strings.Contains(err.Error(), "want 5us, 5ms or 5s") {
		t.Errorf("a wait without a unit: error %v, want one that says what would be right", err)
	}
}

func TestEveryScenarioSurvivesJSON(t *testing.T) {
	overload, err := Named("overload")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append(Catalogue(), overload.Resolve(9876.543)) {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Scenario
		if err := json.Unmarshal(b, &back); err != nil {
			t.Errorf("%s: %s: %v", s.Name, b, err)
		}
		if back.Claim = s.Claim; back != s {
			t.Errorf("%s came back as\n%+v, want\n%+v", s.Name, back, s)
		}
	}
}

// As many are slow as the share says, at every length at which that is a whole
// number.
func TestIsSlow(t *testing.T) {
	for _, row := range []struct {
		share string
		of    int
		slow  int
	}{
		{"10%", 10, 1}, {"10%", 64, 6}, {"12.5%", 64, 8}, {"100%", 5, 5}, {"99.9999%", 1_000_000, 999_999}, {"0.0001%", 1_000_000, 1},
	} {
		s, n := Scenario{Slow: mustParseSlow(row.share + "*200ms")}, 0
		for i := range row.of {
			if s.IsSlow(i) {
				n++
			}
		}
		if s.Clients = row.of; s.SlowClients() != row.slow {
			t.Errorf("%s of %d clients: says %d are slow, want %d", row.share, row.of, s.SlowClients(), row.slow)
		}
		if n != row.slow {
			t.Errorf("%s of %d: %d are slow, want %d", row.share, row.of, n, row.slow)
		}
	}
	if (Scenario{}).IsSlow(9) {
		t.Error("a client is slow where nobody is")
	}
}
