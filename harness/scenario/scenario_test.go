package scenario

import (
	"encoding/json"
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
	const all = "there are hello, keepalive, io, cpu, mixed"
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
		{"planned", "slow-clients", []string{"isn't there yet", all}, "unknown"},
		{"planned", "idle", []string{"isn't there yet"}, ""},
		{"planned", "burst", []string{"isn't there yet"}, ""},
		{"planned", "overload", []string{"isn't there yet"}, ""},
		{"planned", "large", []string{"isn't there yet"}, ""},
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
	valid := Scenario{Name: Custom, Loop: LoopClosed, Conversation: ConversationHTTP, Clients: 1, RequestsPerConnection: 1}
	for _, row := range []struct {
		is     string
		change func(*Scenario)
		says   string // "" if valid
	}{
		{"the least there is", func(s *Scenario) {}, ""},
		{"the most clients", func(s *Scenario) { s.Clients = 10_000 }, ""},
		{"the longest connection", func(s *Scenario) { s.RequestsPerConnection = 1e6 }, ""},
		{"the most work", func(s *Scenario) {
			s.Wait, s.Spin, s.Think, s.Bytes = Constant(time.Minute), Constant(10*time.Second), Constant(time.Minute), 16<<20
		}, ""},
		{"an exponential whose mean is at the bound: draws are cut to it", func(s *Scenario) { s.Wait = Exponential(time.Minute) }, ""},
		{"the teaching server, with thinking clients", func(s *Scenario) { s.Conversation, s.Think = ConversationOnce, Constant(time.Second) }, ""},
		{"no loop", func(s *Scenario) { s.Loop = "" }, `want "closed"`},
		{"a conversation nobody speaks", func(s *Scenario) { s.Conversation = "gopher" }, `want "http" or "once"`},
		{"nobody", func(s *Scenario) { s.Clients = 0 }, "want 1 to 10000"},
		{"a crowd", func(s *Scenario) { s.Clients = 10_001 }, "descriptors"},
		{"connections without requests", func(s *Scenario) { s.RequestsPerConnection = 0 }, "want 1 to 1000000"},
		{"connections too long", func(s *Scenario) { s.RequestsPerConnection = 1e6 + 1 }, "want 1 to 1000000"},
		{"a wait too long", func(s *Scenario) { s.Wait = Constant(time.Minute + time.Microsecond) }, "want at most 60s"},
		{"an upper point too long", func(s *Scenario) { s.Spin = mustParseDist("two:99%*1us,1%*11s") }, "want at most 10s"},
		{"a mean too long", func(s *Scenario) { s.Spin = Exponential(11 * time.Second) }, "want at most 10s"},
		{"a think time too long", func(s *Scenario) { s.Think = Constant(time.Hour) }, "want at most 60s"},
		{"a negative size", func(s *Scenario) { s.Bytes = -1 }, "16MiB"},
		{"a size too large", func(s *Scenario) { s.Bytes = 16<<20 + 1 }, "16MiB"},
		{"the teaching server with a wait", func(s *Scenario) { s.Conversation, s.Wait = ConversationOnce, Constant(1) }, ""}, // 1 ns is 0 µs
		{"the teaching server with work", func(s *Scenario) { s.Conversation, s.Spin = ConversationOnce, Constant(time.Second) }, "carries no work"},
		{"the teaching server with a size", func(s *Scenario) { s.Conversation, s.Bytes = ConversationOnce, 1 }, "carries no work"},
		{"the teaching server kept alive", func(s *Scenario) { s.Conversation, s.RequestsPerConnection = ConversationOnce, 2 }, "has one"},
	} {
		s := valid
		row.change(&s)
		err := s.Validate()
		switch {
		case row.says == "" && err != nil:
			t.Errorf("%s: %v, want it valid", row.is, err)
		case row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says)):
			t.Errorf("%s: error %v, want one that says %q", row.is, err, row.says)
		}
	}
}

func TestFlagsNameWhatDiffersFromTheDefault(t *testing.T) {
	s := Scenario{
		Loop: LoopClosed, Conversation: ConversationHTTP, Clients: 500, RequestsPerConnection: 10,
		Think: Constant(time.Second), Wait: Exponential(8 * time.Millisecond), Spin: Constant(300 * time.Microsecond), Bytes: 4096,
	}
	if got, want := s.Flags(), "--clients 500 --requests-per-connection 10 --think 1s --wait exp:8ms --spin 300us --bytes 4KiB"; got != want {
		t.Errorf("flags %s\nwant  %s", got, want)
	}
	s = Scenario{Loop: LoopClosed, Conversation: ConversationOnce, Clients: 64, RequestsPerConnection: 1}
	if got, want := s.Flags(), "--clients 64 --requests-per-connection 1 --conversation once"; got != want {
		t.Errorf("flags %s\nwant  %s", got, want)
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
