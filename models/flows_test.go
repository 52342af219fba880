package models

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "draw README.md again")

// A flow says the same as the catalogue: each step is somebody's, every
// parameter that it names is one of the model's, and as many connections or
// requests are in it at once as the model promises.
func TestFlows(t *testing.T) {
	for _, m := range Catalogue() {
		flow := m.Flow()
		if flow == nil {
			t.Errorf("%s has no flow: describe in flows.go who accepts, who reads and answers, and where connections wait", m.Name)
			continue
		}
		var steps []string
		open, work := 0, 0 // room behind the accept, and for requests at work
		for i, s := range flow {
			if strings.ContainsAny(s.Many, "{}") {
				t.Errorf("%s: %s: it has no such parameter", m.Name, s.Many)
			}
			if (s.Does == "") == (s.Waits == "") {
				t.Errorf("%s: %s: either somebody acts or something waits", m.Name, s.Name)
			}
			if s.Back != "" && (flow.at(s.Back) < 0 || flow.at(s.Back) > i) {
				t.Errorf("%s: %s: back to %s, which isn't before it", m.Name, s.Name, s.Back)
			}
			if slices.Contains(steps, "accept") || strings.Contains(s.Does, "accept, ") {
				open += number(s.Many)
			}
			if strings.Contains(s.Does, "work") {
				work = number(s.Many)
			}
			for _, step := range strings.Split(s.Does, ", ") {
				switch step {
				case "hold":
					steps = append(steps, "receive", "work", "send")
				case "accept", "receive", "work", "send":
					steps = append(steps, step)
				case "":
				default:
					t.Errorf("%s: %s: does %q, which is no step", m.Name, s.Name, step)
				}
			}
		}
		slices.Sort(steps)
		if !slices.Equal(steps, []string{"accept", "receive", "send", "work"}) {
			t.Errorf("%s: its stages %q: each step is one stage's", m.Name, steps)
		}
		_, spec, err := parse(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		promised := spec.Bounds()
		if promised.Open > 0 && (open != promised.Open || flow.Silent() == "") {
			t.Errorf("%s: %d connections have room in its flow, and it promises at most %d", m.Name, open, promised.Open)
		}
		if promised.Work > 0 && work != promised.Work {
			t.Errorf("%s: %d requests are at work at once in its flow, and it promises at most %d", m.Name, work, promised.Work)
		}
	}
	for name := range flows {
		if _, ok := Find(name); !ok {
			t.Errorf("a flow of %s, which isn't in the catalogue", name)
		}
	}
}

// number is the number at the end of "≤ limit=32" or "1", 0 for none.
func number(many string) int {
	n, err := strconv.Atoi(many[strings.LastIndexAny(many, "= ")+1:])
	if err != nil {
		return 0
	}
	return n
}

func TestTheFlowOfAPool(t *testing.T) {
	m, _ := Find("pool")
	f := m.Flow()
	for what, got := range map[string][2]string{
		"accepts": {f.Who("accept"), "loop"},
		"reads":   {f.Who("receive"), "worker × workers=16"},
		"waits":   {f.Waiting(), "backlog, queue (queue=0)"},
		"silent":  {f.Silent(), "worker"},
		"picture": {f.Mermaid(), `flowchart LR
    s0[["backlog<br/>connections"]]
    s1(["loop<br/><b>accept</b>"])
    s2[["queue (queue=0)<br/>connections"]]
    s3(["worker × workers=16<br/><b>hold</b>"])
    s0 --> s1
    s1 --> s2
    s2 --> s3
`},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: got %s, want %s", what, got[0], got[1])
		}
	}
	if f := (Model{Name: "unknown"}).Flow(); f != nil {
		t.Errorf("a model that nobody has described flows %v", f)
	}
}

// drawn is what of README.md is made from the catalogue.
var drawn = regexp.MustCompile(`(?s)<!-- drawn: ([a-z0-9-]+) -->\n.*?<!-- end -->`)

// TestREADME sees that README.md tells of every model and of no other, in the
// catalogue's order, and that what is drawn in it is what the catalogue says.
// With -update it draws that again.
func TestREADME(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(b)
	want := drawn.ReplaceAllStringFunc(readme, func(block string) string {
		name := drawn.FindStringSubmatch(block)[1]
		text := "\n" + picture(name) + "\n"
		if name == "all" {
			text = overview()
		}
		return fmt.Sprintf("<!-- drawn: %s -->\n%s<!-- end -->", name, text)
	})
	if *update && want != readme {
		if err := os.WriteFile("README.md", []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if want != readme {
		t.Error("README.md isn't what the catalogue and flows.go say: go test ./models -run TestREADME -update, and read what has changed")
	}

	var all []string
	for _, m := range Catalogue() {
		all = append(all, m.Name)
		_, section, found := strings.Cut(want, "\n### `"+m.Name+"`\n")
		section, _, _ = strings.Cut(section, "\n#")
		_, text, hasPicture := strings.Cut(section, "<!-- end -->\n")
		switch {
		case !found:
			t.Errorf("README.md has no section ### `%s`", m.Name)
		case !hasPicture || !strings.Contains(section, "<!-- drawn: "+m.Name+" -->"):
			t.Errorf("README.md: %s: no lines <!-- drawn: %s --> and <!-- end -->", m.Name, m.Name)
		case len(strings.TrimSpace(text)) < 200:
			t.Errorf("README.md: %s: no paragraph below its picture", m.Name)
		}
	}
	var told []string
	for _, heading := range regexp.MustCompile("(?m)^### `(.*)`$").FindAllStringSubmatch(want, -1) {
		told = append(told, heading[1])
	}
	if !slices.Equal(told, all) {
		t.Errorf("README.md tells of %v, and the catalogue lists %v", told, all)
	}
	for _, link := range regexp.MustCompile(`\]\(([^):#]+)`).FindAllStringSubmatch(want, -1) {
		if _, err := os.Stat(filepath.FromSlash(link[1])); err != nil {
			t.Errorf("README.md links to %s: %v", link[1], err)
		}
	}
}

// overview is a row for each model.
func overview() string {
	var b strings.Builder
	b.WriteString("| model | accepts | reads, works and answers | waiting is in | a silent client keeps |\n|---|---|---|---|---|\n")
	for _, m := range Catalogue() {
		f := m.Flow()
		silent := "nobody"
		if who := f.Silent(); who != "" {
			silent = "its " + who
			if f.Who("receive") == who {
				silent = "the " + who // there is only one
			}
		}
		serve := slices.Compact([]string{f.Who("receive"), f.Who("work"), f.Who("send")})
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s | %s | %s |\n", m.Name, m.Name, f.Who("accept"), strings.Join(serve, ", "), f.Waiting(), silent)
	}
	return b.String()
}

// picture is what is drawn of one model.
func picture(name string) string {
	m, _ := Find(name)
	var b strings.Builder
	fmt.Fprintf(&b, "*%s.*", m.Claim)
	var params []string
	for _, p := range m.Params {
		params = append(params, fmt.Sprintf("`%s=%s`", p.Name, p.Default))
	}
	if params != nil {
		fmt.Fprintf(&b, " Parameters: %s.", strings.Join(params, ", "))
	}
	if m.Only() != "" {
		fmt.Fprintf(&b, " %s.", m.Only())
	}
	fmt.Fprintf(&b, "\n\n```mermaid\n%s```\n", m.Flow().Mermaid())
	return b.String()
}
