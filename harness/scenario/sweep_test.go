package scenario

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// points are the names of a sweep's experiments.
func points(s Sweep) (names []string) {
	for _, g := range s.Grids {
		for _, p := range g.Points {
			names = append(names, p.Name)
		}
	}
	return names
}

func TestDecodeSweep(t *testing.T) {
	for _, row := range []struct {
		is, file string
		points   string // name: flags
		axes     string // of the last point
	}{
		{"a scenario alone", "scenarios: keepalive", "keepalive: --clients 64 --requests-per-connection 100", ""},
		{"scenarios in brackets", "scenarios: [hello, 'cpu']",
			"hello: --clients 64 --requests-per-connection 1; cpu: --clients 16 --requests-per-connection 1 --spin 200us", "scenario=cpu"},
		{"scenarios in lines", "scenarios:\n- hello # first\n\n- cpu\n",
			"hello: --clients 64 --requests-per-connection 1; cpu: --clients 16 --requests-per-connection 1 --spin 200us", "scenario=cpu"},
		{"one value doesn't vary", "scenarios: io\nclients: [3]\nserver_cpus: 0",
			"io: --clients 3 --requests-per-connection 1 --wait exp:10ms", ""},
		{"what comes first in the file changes last", "clients: [1, 2]\nscenarios: hello\nthink: [0, 'exp:5ms']",
			"hello-clients-1-think-0: --clients 1 --requests-per-connection 1; hello-clients-1-think-exp-5ms: --clients 1 --requests-per-connection 1 --think exp:5ms; " +
				"hello-clients-2-think-0: --clients 2 --requests-per-connection 1; hello-clients-2-think-exp-5ms: --clients 2 --requests-per-connection 1 --think exp:5ms",
			"clients=2 think=exp:5ms"},
		{"a load of one's own", "wait: 5ms", "custom: --clients 64 --requests-per-connection 1 --wait 5ms", ""},
		{"clients alone are one of one's own too", "clients: 3", "custom: --clients 3 --requests-per-connection 1", ""},
		{"rates open the loop", "scenarios: [io]\nrates: [500, 0.5, capacity]",
			"io-rate-500: --rate 500 --requests-per-connection 1 --wait exp:10ms; io-rate-0.5: --rate 0.5 --requests-per-connection 1 --wait exp:10ms; " +
				"io-rate-capacity: --rate capacity --requests-per-connection 1 --wait exp:10ms", "rate=capacity"},
		{"sessions", "rates: 500\nrequests_per_connection: [1, 10]",
			"custom-requests_per_connection-1: --rate 500 --requests-per-connection 1; custom-requests_per_connection-10: --rate 500 --requests-per-connection 10", "requests_per_connection=10"},
		{"CPUs", "scenarios: hello\nserver_cpus: [0, 0-1, '0,1']",
			"hello-server_cpus-0: --clients 64 --requests-per-connection 1; hello-server_cpus-0-1: --clients 64 --requests-per-connection 1; " +
				"hello-server_cpus-0-1-2: --clients 64 --requests-per-connection 1", "server_cpus=0,1"},
		{"conversations", "scenarios: hello\nconversation: [http, once]",
			"hello-conversation-http: --clients 64 --requests-per-connection 1; hello-conversation-once: --clients 64 --requests-per-connection 1 --conversation once", "conversation=once"},
		{"work of every kind", "wait: ['two:99%*2ms,1%*100ms']\nspin: 20us\nbytes: [4096]\nidle: 10",
			"custom: --clients 64 --requests-per-connection 1 --wait 'two:99%*2ms,1%*100ms' --spin 20us --bytes 4KiB --idle 10", ""},
		{"names that come out the same are numbered", "wait: ['exp:5ms', 5ms, exp:6ms]\nspin: [0, 5us]\n---\nwait: exp:5ms\n---\nscenarios: hello\n---\nscenarios: hello\n...\n",
			"custom-wait-exp-5ms-spin-0: --clients 64 --requests-per-connection 1 --wait exp:5ms; custom-wait-exp-5ms-spin-5us: --clients 64 --requests-per-connection 1 --wait exp:5ms --spin 5us; " +
				"custom-wait-5ms-spin-0: --clients 64 --requests-per-connection 1 --wait 5ms; custom-wait-5ms-spin-5us: --clients 64 --requests-per-connection 1 --wait 5ms --spin 5us; " +
				"custom-wait-exp-6ms-spin-0: --clients 64 --requests-per-connection 1 --wait exp:6ms; custom-wait-exp-6ms-spin-5us: --clients 64 --requests-per-connection 1 --wait exp:6ms --spin 5us; " +
				"custom: --clients 64 --requests-per-connection 1 --wait exp:5ms; hello: --clients 64 --requests-per-connection 1; hello-2: --clients 64 --requests-per-connection 1", ""},
		{"comments, heads, ends, another system's lines", "# mine\r\n---\r\nscenarios: [hello,\r\n  cpu]\r\n... # over\r\n--- # next\r\nscenarios: idle\r\n",
			"hello: --clients 64 --requests-per-connection 1; cpu: --clients 16 --requests-per-connection 1 --spin 200us; idle: --clients 64 --requests-per-connection 100 --idle 1000", ""},
		{"a document behind an end", "scenarios: hello\n...\nscenarios: cpu", "hello: --clients 64 --requests-per-connection 1; cpu: --clients 16 --requests-per-connection 1 --spin 200us", ""},
	} {
		s, err := DecodeSweep("dir/my.yaml", []byte(row.file))
		var got, axes []string
		for _, g := range s.Grids {
			for _, p := range g.Points {
				got, axes = append(got, p.Name+": "+p.Scenario.Flags()), nil
				for _, a := range p.Axes {
					axes = append(axes, a.Key+"="+a.Value)
				}
			}
		}
		if err != nil || strings.Join(got, "; ") != row.points || strings.Join(axes, " ") != row.axes || s.File != "dir/my.yaml" {
			t.Errorf("%s: %v\n%s\n%s\nwant\n%s\n%s", row.is, err, strings.Join(got, "; "), strings.Join(axes, " "), row.points, row.axes)
		}
	}
}

func TestDecodeSweepReadsWhatIsAskedOfAGrid(t *testing.T) {
	s, err := DecodeSweep("my.yaml", []byte(`question: 'what does it cost?'
models:
  - pool:workers=[1, 4],queue=[0,8]
  - goroutine
servers: ['mine=./mine --port {port}', "./other {port}"]
reference: errgroup:limit=8
scenarios: io
server_cpus: 0-1
seed: 18446744073709551615
budget: 1m30s
precision: 2.5%
blocks: 12
---
scenarios: [hello, cpu]
models: iterative
alone: true
precision: 0.03
`))
	if err != nil {
		t.Fatal(err)
	}
	g := s.Grids[0]
	at := func(value string, line, column int) Placed { return Placed{value, line, column} }
	if want := []Placed{
		at("pool:workers=1,queue=0", 3, 5), at("pool:workers=1,queue=8", 3, 5), at("pool:workers=4,queue=0", 3, 5), at("pool:workers=4,queue=8", 3, 5), at("goroutine", 4, 5),
	}; !slices.Equal(g.Models, want) {
		t.Errorf("models %v, want %v", g.Models, want)
	}
	if want := []Placed{at("mine=./mine --port {port}", 5, 11), at("./other {port}", 5, 40)}; !slices.Equal(g.Servers, want) {
		t.Errorf("servers %v, want %v", g.Servers, want)
	}
	if g.Question != "what does it cost?" || g.Reference != at("errgroup:limit=8", 6, 12) || g.Alone || g.Seed == nil || *g.Seed != 1<<64-1 ||
		g.Budget != 90*time.Second || g.Precision != 0.025 || g.Blocks != 12 || g.Points[0].ServerCPUs != at("0-1", 8, 14) || g.Points[0].From != at("io", 7, 12) {
		t.Errorf("grid %+v", g)
	}
	g = s.Grids[1]
	if !g.Alone || g.Question != "" || g.Reference != (Placed{}) || g.Seed == nil || *g.Seed != 1<<64-1 || g.Budget != 0 || g.Precision != 0.03 || g.Blocks != 0 || len(g.Servers) != 0 ||
		!slices.Equal(g.Models, []Placed{at("iterative", 15, 9)}) || g.Points[1].ServerCPUs != (Placed{}) || g.Points[1].From != at("cpu", 14, 20) {
		t.Errorf("second grid %+v", g)
	}
}

func TestParametersThatAreLists(t *testing.T) {
	for _, row := range []struct{ spec, want string }{
		{"pool", "pool"},
		{"pool:workers=4", "pool:workers=4"},
		{"pool:workers=[1,4,16,64]", "pool:workers=1 pool:workers=4 pool:workers=16 pool:workers=64"},
		{"pool:queue=8,workers=[1, 4 ],when-full=reject", "pool:queue=8,workers=1,when-full=reject pool:queue=8,workers=4,when-full=reject"},
		{"errgroup:limit=[1,2],when-full=[wait,reject]", "errgroup:limit=1,when-full=wait errgroup:limit=1,when-full=reject errgroup:limit=2,when-full=wait errgroup:limit=2,when-full=reject"},
		{"errgroup:limit=[7]", "errgroup:limit=7"},
		// What a model is to refuse stays as it is.
		{"pool:", "pool:"},
		{"pool:workers", "pool:workers"},
		{"pool:workers=", "pool:workers="},
	} {
		specs, err := expand(row.spec)
		if got := strings.Join(specs, " "); err != nil || got != row.want {
			t.Errorf("%s: %s, %v, want %s", row.spec, got, err, row.want)
		}
	}
	for _, row := range []struct{ spec, says string }{
		{"queue=2", "want NAME or NAME:key=value"},
		{"pool[1,2]", "want NAME or NAME:key=value"},
		{"pool:[1,2]", "want a list as in workers=[1,4,16]"},
		{"pool:workers=[1,2", "want a list as in"},
		{"pool:workers=1,2]", "want a list as in"},
		{"pool:workers=[1,[2]]", "want a list as in"},
		{"pool:workers=[1]2", "want a list as in"},
		{"pool:workers=2[1]", "want a list as in"},
		{"pool:workers=]1[", "want a list as in"},
		{"pool:workers=[]", "a value is missing in the list of workers"},
		{"pool:workers=[1,,2]", "a value is missing"},
		{"pool:workers=1,", "nothing behind the last comma"},
		{"pool:a=[1,2,3,4,5],b=[1,2,3,4,5],c=[1,2,3,4,5]", "more than 100 models"},
	} {
		if specs, err := expand(row.spec); err == nil || !strings.Contains(err.Error(), row.says) || !strings.Contains(err.Error(), strconv.Quote(row.spec)) {
			t.Errorf("%s: %q, %v, want an error that says %q", row.spec, specs, err, row.says)
		}
	}
}

func TestDecodeSweepSaysWhereAndWhatWouldBeRight(t *testing.T) {
	hundreds := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, strconv.Itoa(i+1))
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	for _, row := range []struct{ is, file, says string }{
		{"nothing", "", `my.yaml: empty: want a grid`},
		{"comments and a head", "# none\n---\n# none\n", `my.yaml:2:1: an empty document`},
		{"an empty document in the middle", "scenarios: io\n---\n---\nscenarios: cpu\n", `my.yaml:2:1: an empty document: want the keys of a grid, or this line left out`},
		{"an empty document at the end", "scenarios: io\n---\n# cpu\n", `my.yaml:2:1: an empty document`},
		{"a slip in a key", "modles: [pool]\n", `my.yaml:1:1: unknown key "modles"; did you mean "models"? (keys: question, models, servers, `},
		{"a slip in the second document", "scenarios: io\n---\n# more\nscenarios: cpu\nbugdet: 5s\n", `my.yaml:5:1: unknown key "bugdet"; did you mean "budget"?`},
		{"one for several", "scenario: io", `my.yaml:1:1: unknown key "scenario"; did you mean "scenarios"?`},
		{"a key of scenarios", "scenarios: io\nslow: 10%*200ms", `my.yaml:2:1: unknown key "slow": a scenario has it, so give it in a file of its own and name that under scenarios (keys: `},
		{"a key of nobody", "colour: blue", `my.yaml:1:1: unknown key "colour" (keys: question, `},
		{"a key twice", "scenarios: io\nclients: 3\nscenarios: cpu", `my.yaml:3:1: scenarios is given twice, first in line 1`},
		{"no load", "models: [pool]\nserver_cpus: 0", `my.yaml:1:1: no load: want scenarios, such as [keepalive, io], or clients, rates`},
		{"a slip in a scenario", "models: pool\nscenarios: [io, keepalove]", `my.yaml:2:17: unknown scenario "keepalove": did you mean "keepalive"?`},
		{"a scenario in lines, in the second document", "scenarios: io\n---\nscenarios:\n  - cpu\n  - mixd\n", `my.yaml:5:5: unknown scenario "mixd": did you mean "mixed"?`},
		{"a scenario twice", "scenarios: [io, cpu, io]", `my.yaml:1:22: scenarios: io is given twice`},
		{"a wrong distribution in a list", "scenarios: io\nwait: [5ms, exp:5, 1ms]", `my.yaml:2:13: wait: distribution "exp:5": "5" has no unit`},
		{"a distribution torn by brackets", "wait: [5ms, two:99%*2ms,1%*100ms]", `my.yaml:1:13: wait: two:99%*2ms: in a list in brackets, what has a comma needs quotes around it: ['two:99%*2ms,1%*100ms']`},
		{"a word for a number", "clients: [1, many]", `my.yaml:1:14: clients: "many" is text: want a whole number`},
		{"quotes for a number", "clients:\n- '1'", `my.yaml:2:3: clients: "1" is text: want a whole number`},
		{"decimals for a whole number", "clients: [1.5]", `my.yaml:1:11: clients: 1.5 is a number with decimals`},
		{"a leading zero", "clients: [8, 016]", `my.yaml:1:14: clients: 016: want a number without leading zeros`},
		{"thousands", "clients: 1_000", `my.yaml:1:10: clients: "1_000": want a whole number`},
		{"a number for a model", "models: [3]\nscenarios: io", `my.yaml:1:10: models: 3 is a number: want text`},
		{"truth for a scenario", "scenarios: [io, true]", `my.yaml:1:17: scenarios: true: want text, as in 'true'`},
		{"a value twice", "clients: [1, 2, 1]", `my.yaml:1:17: clients: 1 is given twice`},
		{"a value twice, written otherwise", "bytes: [4096, 4KiB]", `my.yaml:1:15: bytes: 4KiB is given twice`},
		{"an empty list", "scenarios: io\nclients: []", `my.yaml:2:10: clients: an empty list: want at least one value, such as 64, or the key left out`},
		{"no value", "scenarios: io\nclients:\nwait: 5ms", `clients: no value: want one, or the key left out`},
		{"no value in a list", "clients:\n  - 1\n  -\n  - 2\n", `my.yaml:3:4: clients: no value`},
		{"a list where there is none", "scenarios: io\nbudget: [5s, 10s]", `my.yaml:2:9: budget: a list: want one value, such as 50s`},
		{"a list in lines where there is none", "scenarios: io\nreference:\n- pool\n- errgroup", `my.yaml:3:1: reference: a list: want one value, such as goroutine`},
		{"a list in a list", "clients: [1, [2, 3]]", `my.yaml:1:14: a list in a list: want values`},
		{"a list in a list, in lines", "clients:\n  - 1\n  - - 2\n", `my.yaml:3:5: a list in a list`},
		{"a list in a list, both ways", "clients:\n  - 1\n  - [2]\n", `my.yaml:3:5: clients: a list in a list`},
		{"a list further in", "clients:\n  -\n    - 2\n", `my.yaml:3:5: clients: a list in a list`},
		{"a deep list", strings.Repeat("[", 60_000), `my.yaml:1:2: a list in a list`},
		{"keys below a key", "clients:\n  a: 3", `clients: keys of its own: want one value, such as 64`},
		{"keys in a list", "models:\n- pool: 3\n", `models: keys of its own: want one value, such as pool`},
		{"braces", "{scenarios: io}", `my.yaml:1:1: braces`},
		{"an anchor", "clients: &a 64", `my.yaml:1:10: "&": a sweep has keys, values and lists, and no anchors`},
		{"a reference in the second document", "clients: 64\n---\nclients: [1, *a]", `my.yaml:3:14: "*": a sweep has keys`},
		{"a tag", "clients: !!int 64", `my.yaml:1:10: "!!int": a sweep has keys`},
		{"text below", "question: |\n  one\n  two", `my.yaml:1:11: text of several lines: want one`},
		{"quotes over lines", "question: 'one\n  two'\nclients: 0", `my.yaml:1:11: text of several lines`},
		{"text over lines", "question: one\n  two\nclients: 0", `my.yaml:1:11: text of several lines`},
		{"a colon in a value", "question: which: this or that?", `my.yaml:1:16: a second colon before a space: a value that has one needs quotes around it`},
		{"a model's list in brackets", "scenarios: io\nmodels: [goroutine, pool:workers=[1,4]]", `my.yaml:2:21: pool:workers=[: in a list in brackets, what has brackets of its own needs quotes around it: ['pool:workers=[1,4]']`},
		{"a command in brackets", "scenarios: io\nservers: [./mine --port {port}]", `my.yaml:2:11: ./mine --port{: in a list in brackets, what has brackets of its own needs quotes`},
		{"a model torn by brackets", "scenarios: io\nmodels: [pool:workers=4,queue=2]", `my.yaml:2:25: models: "queue=2": want NAME or NAME:key=value,... (a spec with a comma has quotes in a list in brackets`},
		{"a model's list without its end", "scenarios: io\nmodels:\n- 'pool:workers=[1,4'", `my.yaml:3:3: models: "pool:workers=[1,4": want a list as in workers=[1,4,16]`},
		{"too many models", "scenarios: io\nmodels:\n- 'pool:workers=" + hundreds(99) + "'\n- pool\n- pool\n", `my.yaml:2:1: 101 models and servers: want at most 100`},
		{"a reference of several", "scenarios: io\nreference: pool:workers=[1,2]", `my.yaml:2:12: reference: "pool:workers=[1,2]" names several: want one model, without lists`},
		{"alone with a reference", "scenarios: io\nreference: pool\nalone: true\nmodels: errgroup", `my.yaml:3:8: alone leaves out the reference that reference names`},
		{"alone without anybody", "scenarios: io\nalone: true", `my.yaml:2:8: alone leaves the reference out: say with models what remains`},
		{"half alone", "scenarios: io\nalone: yes", `my.yaml:2:8: alone: "yes": want true or false`},
		{"alone by number", "scenarios: io\nalone: 1", `my.yaml:2:8: alone: "1": want true or false`},
		{"clients and rates", "scenarios: io\nclients: [1]\nrates: [5]", `my.yaml:3:1: rates beside clients: want one of them`},
		{"rates and clients", "rates: [5]\nclients: [1]", `my.yaml:2:1: clients beside rates: want one of them`},
		{"nobody", "scenarios: [io, cpu]\nclients: [1, 0]", `my.yaml:2:14: io: clients 0: want 1 to 10000`},
		{"a rate of nothing", "rates: [1, 0]", `my.yaml:1:12: rates: "0" is no rate`},
		{"a time beyond the bound", "scenarios: cpu\nwait: [1s, 61s]", `my.yaml:2:12: cpu: wait 61s: want at most 60s`},
		{"a load that only two values make wrong", "rates: 5\nthink: [0, 1ms]\nserver_cpus: [0, 1]", `my.yaml:2:12: custom: think 1ms: loop "open" has one request`},
		{"fewer clients than a scenario's share", "scenarios: [io, slow-clients]\nclients: [64, 5]", `my.yaml:2:15: slow-clients: slow 10%*200ms: of 5 clients that is not one`},
		{"work in a conversation without", "scenarios: [hello, io]\nconversation: once", `my.yaml:2:15: io: conversation "once" carries no work`},
		{"a conversation of no kind", "scenarios: hello\nconversation: [http, smtp]", `my.yaml:2:22: hello: conversation "smtp": want "http" or "once"`},
		{"work beyond patience", "scenarios: overload\nwait: [5ms, 1s]", `my.yaml:2:13: overload: a request takes 1.0002s at work, and clients give up after 1s`},
		{"CPUs by name", "scenarios: io\nserver_cpus: [0, first]", `my.yaml:2:18: server_cpus: "first": want a list of CPUs, such as 0, 0-1 or '0,2'`},
		{"no budget", "scenarios: io\nbudget: 0s", `my.yaml:2:9: budget: "0s": want a time above 0, up to 24h, such as 50s`},
		{"a negative budget", "scenarios: io\nbudget: -5s", `my.yaml:2:9: budget: "-5s": want a time above 0`},
		{"a budget without a unit", "scenarios: io\nbudget: 50", `my.yaml:2:9: budget: "50": want a time above 0`},
		{"no precision", "scenarios: io\nprecision: 0", `my.yaml:2:12: precision: "0": want a share above 0 and up to 100%, such as 3% or 0.03`},
		{"per cent without their sign", "scenarios: io\nprecision: 3", `my.yaml:2:12: precision: "3": want a share`},
		{"no number for precision", "scenarios: io\nprecision: NaN", `my.yaml:2:12: precision: `},
		{"no blocks", "scenarios: io\nblocks: 0", `my.yaml:2:9: blocks: 0: want at least 1`},
		{"a negative seed", "scenarios: io\nseed: -1", `my.yaml:2:7: seed: "-1": want a whole number from 0`},
		{"a question of no words", "scenarios: io\nquestion: ''", `my.yaml:2:11: question: want words`},
		{"too many experiments", "scenarios: [io, cpu]\nclients: " + hundreds(501), `my.yaml:2:1: more than 1000 experiments in a sweep: want fewer values, or several sweeps`},
		{"too many experiments in all", "clients: " + hundreds(999) + "\n---\nwait: 1ms\n---\nwait: 1ms\n", `my.yaml:5:1: more than 1000 experiments`},
		{"prose", "a sweep of my own", `my.yaml:1:1: want lines of a key and its value`},
		{"prose in the second document", "scenarios: io\n---\na sweep of my own", `my.yaml:3:1: want lines of a key and its value`},
		{"a list and no key", "- io\n- cpu\n", `my.yaml:1:1: want lines of a key and its value`},
		{"a list without its end", "scenarios: [io\nclients: 3\n", `my.yaml:`},
		{"a list with a gap", "clients: [1,, 2]\n", `my.yaml:1:13: no YAML: `},
		{"an open quote", "scenarios: io\n---\nwait: \"5ms", `my.yaml:3:7: no YAML: could not find end`},
		{"two seeds", "scenarios: io\nseed: 1\n---\nscenarios: cpu\n---\nscenarios: cpu\nseed: 2\n", `my.yaml:7:7: seed 2: a sweep has one seed, and line 2 says 1`},
		{"keys without end", strings.Repeat("a:\n", 20_000), `my.yaml:101:2: more than 100 keys: want those of a grid`},
		{"columns in characters", "servers: ['ä={port}', [1]]\nscenarios: io", `my.yaml:1:23: a list in a list`},
		{"what the parser stumbles over", "clients:\n}", `my.yaml`},
		{"too long", strings.Repeat("# a comment\n", MaxFile/10), `my.yaml: longer than 64KiB: no sweep`},
	} {
		s, err := DecodeSweep("my.yaml", []byte(row.file))
		if err == nil || len(s.Grids) > 0 || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "my.yaml:") {
			t.Errorf("%s: %v, %v; want one line that says\n%q", row.is, points(s), err, row.says)
		}
	}
}

// Each example that an error names is one, and so is that of the documentation.
func TestExamplesInErrorsAreRight(t *testing.T) {
	for _, k := range sweepKeys {
		file := "alone: false\n" + k.name + ": " + k.example + "\n"
		if !k.load() && k.axis != axisScenario {
			file += "scenarios: io\n"
		}
		if file = strings.Replace(file, "alone: false\nalone: true\n", "alone: true\nmodels: pool\n", 1); k.name == "idle" {
			file += "clients: 3\n"
		}
		if _, err := DecodeSweep("my.yaml", []byte(file)); err != nil {
			t.Error(err)
		}
	}
	source, err := os.ReadFile("sweep.go")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(source), "of which each document is a grid:\n//\n")
	example, _, _ = strings.Cut(example, "\n//\n")
	s, err := DecodeSweep("my.yaml", []byte(strings.ReplaceAll(example, "//\t", "")))
	if err != nil || len(s.Grids) != 1 || len(s.Grids[0].Models) != 5 || strings.Join(points(s), " ") != "io-clients-64 io-clients-128" {
		t.Errorf("%s\nis %+v, %v", example, s, err)
	}
}

// A seed that one grid names is that of all: none is played with another.
func TestOneSeedOfASweep(t *testing.T) {
	s, err := DecodeSweep("my.yaml", []byte("scenarios: io\n---\nscenarios: cpu\nseed: 7\n---\nscenarios: cpu\nseed: 7\n"))
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range s.Grids {
		if g.Seed == nil || *g.Seed != 7 {
			t.Errorf("grid %d has seed %v, want 7", i+1, g.Seed)
		}
	}
}

func TestAt(t *testing.T) {
	s := Sweep{File: "dir/my.yaml"}
	cause := errors.New(`no model "poool"`)
	if err := s.At(Placed{"poool", 7, 5}, cause); err.Error() != `dir/my.yaml:7:5: no model "poool"` || !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
	if err := s.At(Placed{}, cause); err.Error() != `dir/my.yaml: no model "poool"` || !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
	if err := s.At(Placed{"pool", 1, 1}, nil); err != nil {
		t.Errorf("error %v for none", err)
	}
}

func TestReadSweepFindsScenariosBesideIt(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"sweep.yaml": "scenarios: [mine.yaml, ./io, io]", "mine.yaml": "wait: 7ms", "io": "name: mine2\nwait: 8ms",
		"bad.yaml": "clients: 3\nscenarios:\n- worse.yaml\n", "worse.yaml": "\nwait: soon", "same.yaml": "scenarios: [mine.yaml, ./mine.yaml]",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := ReadSweep(filepath.Join(dir, "sweep.yaml"))
	if got := strings.Join(points(s), " "); err != nil || got != "mine mine2 io" || s.Grids[0].Points[1].Scenario.Wait != Constant(8*time.Millisecond) {
		t.Errorf("points %s, %v", got, err)
	}
	for name, says := range map[string]string{
		"bad.yaml":  "bad.yaml:3:3: " + filepath.Join(dir, "worse.yaml") + `:2:7: wait: distribution "soon"`,
		"same.yaml": "same.yaml:1:24: scenario mine is given twice",
		"none.yaml": "sweep file " + filepath.Join(dir, "none.yaml") + ": no such file",
	} {
		if _, err := ReadSweep(filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want one that says %q", name, err, says)
		}
	}
	if _, err := ReadSweep(filepath.Join(dir, "none.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestNamesOfPoints(t *testing.T) {
	n := names{}
	long := strings.Repeat("x", 200)
	for _, row := range []struct{ name, want string }{
		{"io", "io"}, {"IO", "IO-2"}, {"io", "io-3"}, {"io-3", "io-3-2"}, {"cpu-2", "cpu-2"}, {"cpu", "cpu"}, {"cpu", "cpu-3"},
		{long, long[:longestPoint]}, {long, long[:longestPoint] + "-2"},
	} {
		if got := n.unique(row.name); got != row.want {
			t.Errorf("%s is %s, want %s", row.name, got, row.want)
		}
	}
	for v, want := range map[string]string{"64": "64", "0-1": "0-1", "exp:5ms": "exp-5ms", "two:99%*2ms,1%*100ms": "two-99-2ms-1-100ms", "0.5": "0.5", "../é/": "..", "": ""} {
		if got := sanitise(v); got != want {
			t.Errorf("%q in a name is %q, want %q", v, got, want)
		}
	}
}

// The sweeps that are shipped can be read, hold what they claim, and say in
// their heads what they ask, how long they take and how to run them.
func TestShippedSweeps(t *testing.T) {
	dir := filepath.Join("..", "..", "scripts")
	all := time.Duration(0)
	for _, row := range []struct {
		name   string
		grids  int
		points int
		models int // of all grids, each parameter's value a model
	}{
		{"models", 3, 10, 12}, {"clients", 1, 10, 4}, {"workers", 1, 2, 8}, {"limits", 2, 3, 12}, {"same", 5, 5, 45},
		{"family", 4, 10, 72}, {"crossover", 2, 8, 24},
	} {
		path := filepath.Join(dir, row.name+".yaml")
		s, err := ReadSweep(path)
		if err != nil {
			t.Error(err)
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(string(text), "\nquestion:")
		took, models := time.Duration(0), 0
		for _, g := range s.Grids {
			for range g.Points {
				took += g.Budget + 3*time.Second
			}
			models += len(g.Models)
			if g.Question == "" || g.Budget == 0 || g.Seed == nil {
				t.Errorf("%s: %+v", row.name, g)
			}
		}
		if all += took; len(s.Grids) != row.grids || len(points(s)) != row.points || models != row.models {
			t.Errorf("%s: %d grids of %v, %d models", row.name, len(s.Grids), points(s), models)
		}
		for _, part := range []string{"workbench sweep scripts/" + row.name + ".yaml", fmt.Sprintf("%d minutes", took.Round(time.Minute)/time.Minute), "?"} {
			if !strings.Contains(head, part) {
				t.Errorf("%s: its head doesn't say %q (it takes %v)", row.name, part, took)
			}
		}
	}
	if all > 90*time.Minute {
		t.Errorf("all of them take %v", all)
	}
}

// What is read is valid, named once, and stands where it is said to; what isn't
// is refused in one line that names the file, and a place in it.
func FuzzDecodeSweep(f *testing.F) {
	for _, s := range []string{
		"", "modles: [pool]", "scenarios: io\n---\n---\n", "clients:\n}", "models: [pool:workers=[1,4]]", "models: 'pool:workers=[1,4],queue=[0,8]'\nscenarios: [io, cpu]",
		"clients: [1, 2]\nwait: [5ms, 'exp:5ms']\n...\nrates: [5]", "- - - 1", "a: b: c", "question: 'é''s'\nscenarios:\n  - io\n  -\n", "--- scenarios: io\n--- \nclients: 3 # x\n",
		"server_cpus: [0, 0-1]\nscenarios: io\nalone: true\nmodels: \"po\\u006fl\"\nseed: 1\nbudget: 5s\nprecision: 3%\nblocks: 10\nreference: ~", "\ufeffscenarios: io",
		"scenarios: io\rclients: [1,\r2]", "scenarios: [io,\n\n cpu] \n#x\n---\t\nclients: [\n3 ]",
	} {
		f.Add([]byte(s))
	}
	for _, name := range []string{"models", "clients", "workers", "limits", "same"} {
		if b, err := os.ReadFile(filepath.Join("..", "..", "scripts", name+".yaml")); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeSweep("my.yaml", b, Named) // no files of anybody's
		if err != nil {
			if text := err.Error(); len(s.Grids) > 0 || strings.Contains(text, "\n") || !strings.HasPrefix(text, "my.yaml:") {
				t.Errorf("%q: %+v, %v", b, s, err)
			}
			return
		}
		lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimPrefix(string(b), "\ufeff")), "\n")
		check := func(p Placed, start string) {
			if p.Line < 1 || p.Line > len(lines) {
				t.Errorf("%q: %+v is in none of the lines", b, p)
				return
			}
			rest := []rune(lines[p.Line-1])
			if p.Column < 1 || p.Column > len(rest) {
				t.Errorf("%q: %+v is beyond its line", b, p)
				return
			}
			if rest = rest[p.Column-1:]; rest[0] != '"' && rest[0] != '\'' && !strings.HasPrefix(string(rest), start) {
				t.Errorf("%q: %+v stands at %q", b, p, string(rest))
			}
		}
		seen := map[string]bool{}
		for _, g := range s.Grids {
			for _, m := range g.Models {
				name, _, _ := strings.Cut(m.Value, ":")
				check(m, name)
			}
			for _, c := range g.Servers {
				check(c, c.Value)
			}
			for _, p := range g.Points {
				check(p.From, p.From.Value)
				if p.ServerCPUs.Value != "" {
					check(p.ServerCPUs, p.ServerCPUs.Value)
				}
				name := strings.ToLower(p.Name)
				if err := p.Scenario.Validate(); err != nil || seen[name] || strings.ContainsFunc(name, func(r rune) bool {
					return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
				}) {
					t.Errorf("%q: %+v, %v", b, p, err)
				}
				seen[name] = true
			}
		}
		if n := len(seen); n < 1 || n > MaxPoints {
			t.Errorf("%q: %d points", b, n)
		}
	})
}
