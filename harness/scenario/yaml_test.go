package scenario

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestEveryScenarioSurvivesItsFile(t *testing.T) {
	open := openLoop(0.125, ArrivalsConstant, "1s*0.001,1h*1000")
	open.Conversation, open.Name, open.Claim = ConversationOnce, "null", `it's "quoted", #not: a % comment \ – ünïcode`
	numeric := load
	numeric.Name = "0x10"
	for _, s := range append(Catalogue(), load, sessions, open, numeric) {
		path := filepath.Join(t.TempDir(), "another-name.yaml")
		if err := os.WriteFile(path, []byte(s.YAML()), 0o600); err != nil {
			t.Fatal(err)
		}
		back, err := ReadFile(path)
		if err != nil || back != s {
			t.Errorf("%s came back as\n%+v, %v, want\n%+v, from\n%s", s.Name, back, err, s, s.YAML())
		}
		// Without its name it goes by the file's; its comments are examples that
		// can be taken in one by one.
		nameless := s
		nameless.Name = ""
		if back, err = Decode("dir/another-name.yaml", []byte(nameless.YAML())); err != nil || back.Name != "another-name" || NewPlan(back, 1).Digest() != NewPlan(s, 1).Digest() {
			t.Errorf("%s without its name came back as\n%+v, %v", s.Name, back, err)
		}
		for line := range strings.Lines(s.YAML()) {
			if !regexp.MustCompile(`^(# )?[a-z_]+: \S.* # \S.*\n$`).MatchString(line) {
				t.Errorf("%s: the line %q is no key, value and comment", s.Name, line)
			}
		}
	}
}

// Each example that stands in a file as a comment is one.
func TestExamplesInFilesAreRight(t *testing.T) {
	for _, k := range keys {
		file := k.name + ": " + k.example + "\n"
		if k.name == "arrivals" || k.name == "cycle" {
			file += "rate: 500\n"
		}
		s, err := Decode("my.yaml", []byte(file))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		} else if got := k.get(s); got != strings.Trim(k.example, "'") {
			t.Errorf("%s: came out as %q", file, got)
		}
	}
}

func TestDecode(t *testing.T) {
	for _, row := range []struct{ is, file, name, flags string }{
		{"one key", "wait: exp:8ms", "my", "--clients 64 --requests-per-connection 1 --wait exp:8ms"},
		{"a name", "name: mine\nclients: 3\n", "mine", "--clients 3 --requests-per-connection 1"},
		{"a rate", "rate: 500", "my", "--rate 500 --requests-per-connection 1"},
		{"a rate and its loop", "loop: open\nrate: 0.5", "my", "--rate 0.5 --requests-per-connection 1"},
		{"a capacity", "rate: capacity\ncycle: 1s*0.5,1s*1.5", "my", "--rate capacity --cycle '1s*0.5,1s*1.5' --requests-per-connection 1"},
		{"sessions", "requests_per_connection: 10\nrate: 500\narrivals: constant", "my", "--rate 500 --arrivals constant --requests-per-connection 10"},
		{"zeros", "slow: 0\ncycle: 0\nthink: 0\nbytes: 0\ntimeout: 0\nidle: 0", "my", "--clients 64 --requests-per-connection 1"},
		{"a size by number", "bytes: 4096", "my", "--clients 64 --requests-per-connection 1 --bytes 4KiB"},
		{"a size with its unit", "bytes: 4KiB", "my", "--clients 64 --requests-per-connection 1 --bytes 4KiB"},
		{"quotes", `wait: "two:99%*2ms,1%*100ms"` + "\nspin: '200us'", "my", "--clients 64 --requests-per-connection 1 --wait 'two:99%*2ms,1%*100ms' --spin 200us"},
		{"comments, a document's head, another system's lines", "# mine\r\n---\r\nclients: 3 # few\r\n\r\nwait: 5ms\r\n", "my", "--clients 3 --requests-per-connection 1 --wait 5ms"},
		{"a document's end", "clients: 3\n...\n# no more\n", "my", "--clients 3 --requests-per-connection 1"},
		{"a mark of byte order", "\ufeffclients: 3", "my", "--clients 3 --requests-per-connection 1"},
		{"the catalogue's, copied", "name: io\nclaim: another\nwait: exp:10ms", "io", "--clients 64 --requests-per-connection 1 --wait exp:10ms"},
	} {
		s, err := Decode("dir/my.yaml", []byte(row.file))
		if err != nil || s.Name != row.name || s.Flags() != row.flags {
			t.Errorf("%s: %s: %s, %v\nwant %s: %s", row.is, s.Name, s.Flags(), err, row.name, row.flags)
		}
	}
}

func TestDecodeSaysWhereAndWhatWouldBeRight(t *testing.T) {
	for _, row := range []struct{ is, file, says string }{
		{"nothing", "", `my.yaml: empty: want at least one key and its value`},
		{"comments alone", "# clients: 64\n", `my.yaml: empty`},
		{"a head alone", "---\n", `my.yaml: empty`},
		{"a slip in a key", "clients: 64\nwaits: 5ms\n", `my.yaml:2:1: unknown key "waits": did you mean "wait"? (keys: name, claim, loop, `},
		{"a flag for a key", "requests-per-connection: 64", `my.yaml:1:1: unknown key "requests-per-connection": did you mean "requests_per_connection"?`},
		{"a key of the record", "of_capacity: true", `my.yaml:1:1: unknown key "of_capacity" (keys: `},
		{"a key twice", "clients: 64\nwait: 5ms\nclients: 65", `my.yaml:3:1: clients is given twice, first in line 1`},
		{"a distribution in words", "wait: soon\n", `my.yaml:1:7: wait: distribution "soon": "soon" is no duration`},
		{"a distribution of no form", "# mine\n\nwait:   pareto:5ms\n", `my.yaml:3:9: wait: distribution "pareto:5ms": unknown form "pareto": want 5ms, exp:5ms, two:99%*2ms,1%*100ms or lognormal:5ms,cs2=4`},
		{"a number without a unit", "wait: 5", `my.yaml:1:7: wait: distribution "5": "5" has no unit`},
		{"text for a number", "clients: '64'", `my.yaml:1:10: clients: "64" is text: want a whole number`},
		{"a word for a number", "clients: many", `my.yaml:1:10: clients: "many" is text: want a whole number`},
		{"decimals for a whole number", "clients: 64.5", `my.yaml:1:10: clients: 64.5 is a number with decimals: want a whole number`},
		{"another base", "clients: 0x10", `my.yaml:1:10: clients: "0x10": want a whole number`},
		{"a number for text", "name: 12", `my.yaml:1:7: name: 12 is a number: want text, as in '12'`},
		{"decimals for text", "name: 1.5", `my.yaml:1:7: name: 1.5 is a number with decimals: want text, as in '1.5'`},
		{"truth for text", "name: true", `my.yaml:1:7: name: true: want text, as in 'true'`},
		{"truth for a number", "idle: true", `my.yaml:1:7: idle: true: want a value such as 1000`},
		{"no value", "wait:\nspin: 5ms", `: wait: no value: want one, or the key left out`},
		{"null", "timeout: ~", `my.yaml:1:10: timeout: no value`},
		{"a list", "wait: [1ms, 2ms]", `my.yaml:1:7: a list: a key of a scenario has one value`},
		{"a list in lines", "wait:\n  - 5ms", `my.yaml:2:3: a list`},
		{"a deep list", strings.Repeat("[", 60_000), `my.yaml:1:1: a list`},
		{"braces", "{clients: 3}", `my.yaml:1:1: braces`},
		{"keys below a key", "clients:\n  a: 3", `clients: keys of its own: want one value, such as 64`},
		{"an anchor", "clients: &a 64", `my.yaml:1:10: "&": a scenario has keys and values, and no anchors`},
		{"a reference", "clients: *a", `my.yaml:1:10: "*": a scenario has keys and values`},
		{"a tag", "clients: !!int 64", `my.yaml:1:10: "!!int": a scenario has keys and values`},
		{"a merge", "<<: 3", `my.yaml:1:1: "<<": a scenario has keys and values`},
		{"several lines", "claim: |\n  one\n  two", `my.yaml:1:8: text of several lines: want one`},
		{"two documents", "clients: 64\n---\nclients: 3\n", `my.yaml:2:1: a second document: want one scenario in a file`},
		{"two documents, the first with an end", "clients: 64\n...\nwait: 5ms\n", `my.yaml:3:1: a second document: want one scenario in a file`},
		{"a head behind the end", "clients: 64\n...\n---\n", `my.yaml:3:1: a second document`},
		{"a leading zero", "clients: 010", `my.yaml:1:10: clients: 010: want a number without leading zeros`},
		{"a leading zero that no octal number has", "idle: 09", `my.yaml:1:7: idle: 09: want a number without leading zeros`},
		{"a leading zero before decimals", "rate: 010.5", `my.yaml:1:7: rate: 010.5: want a number without leading zeros`},
		{"a leading zero behind a sign", "clients: -010", `my.yaml:1:10: clients: "-010": want a whole number without leading zeros`},
		{"prose", "a load of my own", `my.yaml:1:1: want lines of a key and its value`},
		{"an indent", "clients: 64\n  wait: 5ms\n", `my.yaml:1:10: no YAML: `},
		{"an open quote", "wait: \"5ms", `my.yaml:1:7: no YAML: could not find end`},
		{"what the parser stumbles over", "clients:\n}", `my.yaml`},
		{"too long", strings.Repeat("# a comment\n", MaxFile/10), `my.yaml: longer than 64KiB`},
		{"a rate of thousands", "rate: 8,000", `my.yaml:1:7: rate: "8,000" is no rate: want arrivals/s, at least 0.001`},
		{"a rate beside clients", "clients: 64\nrate: 5", `my.yaml:2:7: rate: 5 beside 64 clients: want one of them`},
		{"nobody", "wait: 5ms\nclients: 0", `my.yaml:2:10: clients 0: want 1 to 10000`},
		{"a closed loop with a rate", "loop: closed\nrate: 5", `my.yaml:2:7: rate 5: a closed loop's clients`},
		{"an open loop without a rate", "loop: open", `my.yaml: rate 0: want arrivals/s`},
		{"sessions that think too long", "rate: 500\nrequests_per_connection: 10\nthink: 10s", `my.yaml:3:8: think 10s: between two requests of a session`},
		{"a name for no file", "name: my load", `my.yaml:1:7: name: "my load": want up to 64 letters, digits, - and _`},
		{"the catalogue's name for another load", "name: io\nclients: 3", `my.yaml:1:7: name "io": the catalogue has another load of that name`},
		{"a claim of more than a line", `claim: "one\ntwo"`, `my.yaml:1:8: claim: want one line`},
	} {
		s, err := Decode("my.yaml", []byte(row.file))
		if err == nil || s != (Scenario{}) || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "my.yaml:") {
			t.Errorf("%s: %q, %v; want one line that says %q", row.is, s.Flags(), err, row.says)
		}
	}
	for name, says := range map[string]string{
		"my load.yaml": `my load.yaml: name "my load": want up to 64 letters`,
		"dir/io.yaml":  `dir/io.yaml: name "io": the catalogue has another load of that name`,
	} {
		if _, err := Decode(name, []byte("clients: 3")); err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%s: error %v, want %q", name, err, says)
		}
	}
}

func TestReadFileSaysWhatWasWrong(t *testing.T) {
	dir := t.TempDir()
	for path, says := range map[string]string{
		filepath.Join(dir, "none.yaml"): "none.yaml: no such file",
		dir:                             "is a directory",
	} {
		if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), "workbench scenarios NAME prints one") {
			t.Errorf("%s: error %v, want one that says %q", path, err, says)
		}
	}
}

func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("io", []byte("wait: 1ms"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("mine.YML", []byte("wait: 2ms"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		arg, name string
		wait      time.Duration
	}{{"io", "io", 10 * time.Millisecond}, {"mine.YML", "mine", 2 * time.Millisecond}, {"./mine.YML", "mine", 2 * time.Millisecond}} {
		if s, err := Find(row.arg); err != nil || s.Name != row.name || s.Wait.Mean() != row.wait {
			t.Errorf("%s is %s: %s, %v", row.arg, s.Name, s.Flags(), err)
		}
	}
	if _, err := Find("./io"); err == nil || !strings.Contains(err.Error(), "the catalogue has another") {
		t.Errorf("./io: %v", err)
	}
	if _, err := Find("mine"); err == nil || !strings.Contains(err.Error(), "unknown scenario") {
		t.Errorf("mine: %v", err)
	}
}

// What is read is valid, and survives its file and its flags; what isn't is
// refused in one line that names the file.
func FuzzDecode(f *testing.F) {
	for _, s := range append(Catalogue(), load, sessions) {
		f.Add([]byte(s.YAML()))
	}
	for _, s := range []string{
		"", "clients: 64\nwaits: 5ms", "clients:\n}", "0::", "{0", "*-0", ">\n>", "wait: [", "? a\n: b", "name: 'it''s'", "claim: \"\\x41\\u00e9\"",
		"clients: 64\n---\nwait: 5ms", "rate: 0.001\ncycle: 1us*0.001,1h*0", "wait: lognormal:20ms,cs2=1000\nrate: 500\nrequests_per_connection: 3\nthink: exp:100ms",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode("my.yaml", b)
		if err != nil {
			if text := err.Error(); s != (Scenario{}) || strings.Contains(text, "\n") || !strings.HasPrefix(text, "my.yaml:") {
				t.Errorf("%q: %+v, %v", b, s, err)
			}
			return
		}
		if err := s.Validate(); err != nil {
			t.Errorf("%q: read, and not valid: %v", b, err)
		}
		if back, err := Decode("another.yaml", []byte(s.YAML())); err != nil || back != s {
			t.Errorf("%q came back as %+v, %v\nwant %+v, from\n%s", b, back, err, s, s.YAML())
		}
		back, err := fromArgs(t, s.Args())
		back.Name, back.Claim = s.Name, s.Claim
		if err != nil || back != s {
			t.Errorf("%q: %s came back as %+v, %v\nwant %+v", b, s.Flags(), back, err, s)
		}
	})
}
