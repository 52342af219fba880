package models

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, row := range []struct {
		title, spec            string
		short, whole, displays string
	}{
		{"a model without parameters", "goroutine", "goroutine", "goroutine", "goroutine"},
		{"defaults needn't be given", "pool", "pool", "pool:workers=16,queue=0,when-full=wait", "pool:workers=16"},
		{"a default that is given is still one", "pool:workers=16", "pool", "pool:workers=16,queue=0,when-full=wait", "pool:workers=16"},
		{"what differs is kept", "pool:workers=64,queue=128", "pool:workers=64,queue=128", "pool:workers=64,queue=128,when-full=wait", "pool:workers=64,queue=128"},
		{"in the model's order, not the user's", "pool:when-full=reject,queue=1", "pool:queue=1,when-full=reject", "pool:workers=16,queue=1,when-full=reject", "pool:workers=16,queue=1,when-full=reject"},
		{"numbers have one form", "errgroup:limit=+0064", "errgroup:limit=64", "errgroup:limit=64,when-full=wait", "errgroup:limit=64"},
		{"the least", "pool:workers=1,queue=0", "pool:workers=1", "pool:workers=1,queue=0,when-full=wait", "pool:workers=1"},
		{"the most", "errgroup:limit=100000", "errgroup:limit=100000", "errgroup:limit=100000,when-full=wait", "errgroup:limit=100000"},
	} {
		t.Run(row.title, func(t *testing.T) {
			s, err := Parse(row.spec)
			if err != nil {
				t.Fatal(err)
			}
			if s.String() != row.short || s.Whole() != row.whole || s.Display() != row.displays {
				t.Errorf("got %s, whole %s, displayed %s; want %s, %s, %s", s, s.Whole(), s.Display(), row.short, row.whole, row.displays)
			}
		})
	}
}

func TestParseErrorsSayWhatIsRight(t *testing.T) {
	known := strings.Join(names(Catalogue(), func(m Model) string { return m.Name }), ", ")
	for _, row := range []struct{ spec, want string }{
		{"", `no model "" (models: ` + known + `)`},
		{"apache", `no model "apache" (models: ` + known + `)`},
		{"pol", `no model "pol"; did you mean "pool"? (models: ` + known + `)`},
		{"Goroutines:x=1", `no model "Goroutines"; did you mean "goroutine"? (models: ` + known + `)`},
		{" pool", `no model " pool"; did you mean "pool"? (models: ` + known + `)`},
		{"goroutine:limit=3", `model goroutine has no parameters, but "goroutine:limit=3" gives one`},
		{"pool:worker=3", `model pool has no parameter "worker"; did you mean "workers"? (parameters: workers, queue, when-full)`},
		{"pool:limit=3", `model pool has no parameter "limit" (parameters: workers, queue, when-full)`},
		{"pool:", `model pool has no parameter "" (parameters: workers, queue, when-full)`},
		{"pool:workers=3,", `model pool has no parameter "" (parameters: workers, queue, when-full)`},
		{"pool:workers", `model pool: "pool:workers" gives workers no value (workers=16)`},
		{"pool:workers=", `model pool: workers=: must be a whole number, 1 to 100000`},
		{"pool:workers=0", `model pool: workers=0: must be a whole number, 1 to 100000`},
		{"pool:workers=-1", `model pool: workers=-1: must be a whole number, 1 to 100000`},
		{"pool:workers=100001", `model pool: workers=100001: must be a whole number, 1 to 100000`},
		{"pool:workers=99999999999999999999", `model pool: workers=99999999999999999999: must be a whole number, 1 to 100000`},
		{"pool:workers=1.5", `model pool: workers=1.5: must be a whole number, 1 to 100000`},
		{"pool:workers=[1,4]", `model pool: workers=[1: must be a whole number, 1 to 100000`},
		{"pool:workers=1=2", `model pool: workers=1=2: must be a whole number, 1 to 100000`},
		{"pool:queue=-1", `model pool: queue=-1: must be a whole number, 0 to 100000`},
		{"pool:when-full=drop", `model pool: when-full=drop: must be wait|reject`},
		{"pool:workers=1,workers=1", `model pool: "pool:workers=1,workers=1" gives workers twice`},
	} {
		if _, err := Parse(row.spec); err == nil || err.Error() != row.want {
			t.Errorf("%q:\n got %v\nwant %s", row.spec, err, row.want)
		}
		if server, _, err := New(row.spec); err == nil || server != nil {
			t.Errorf("New makes a server of %q", row.spec)
		}
	}
}

// The canonical forms of whatever parses parse to the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"goroutine", "pool:workers=64,queue=128", "errgroup:when-full=reject,limit=007", "pool:workers", "pool:workers==", ":", ",", "pool:,", "pol"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := Parse(spec)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "model ") && !strings.HasPrefix(err.Error(), "no model ") {
				t.Errorf("%q: %v", spec, err)
			}
			return
		}
		if _, again, err := New(spec); err != nil || again.Whole() != s.Whole() {
			t.Errorf("%q: New understands %v, %v", spec, again, err)
		}
		for _, form := range []string{s.String(), s.Whole(), s.Display()} {
			again, err := Parse(form)
			if err != nil || again.Whole() != s.Whole() || again.String() != s.String() || again.Display() != s.Display() {
				t.Errorf("%q: its form %q parses to %v, %v", spec, form, again, err)
			}
		}
	})
}

func TestCatalogue(t *testing.T) {
	all := Catalogue()
	if !slices.IsSortedFunc(all, func(a, b Model) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the catalogue isn't sorted by name")
	}
	for i, m := range all {
		if i > 0 && all[i-1].Name == m.Name {
			t.Errorf("%s is listed twice", m.Name)
		}
		if m.Claim == "" || strings.ContainsAny(m.Claim, "\n") || strings.HasSuffix(m.Claim, ".") {
			t.Errorf("%s: the claim is one line without a full stop, not %q", m.Name, m.Claim)
		}
		// Names that specs, tables and sweep files can carry.
		if strings.Trim(m.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("the name %q", m.Name)
		}
		for _, p := range m.Params {
			if strings.Trim(p.Name, "abcdefghijklmnopqrstuvwxyz-") != "" {
				t.Errorf("%s: the parameter's name %q", m.Name, p.Name)
			}
			if p.Doc == "" || strings.HasSuffix(p.Doc, ".") {
				t.Errorf("%s: %s is documented as %q", m.Name, p.Name, p.Doc)
			}
			if v, err := p.check(p.Default); err != nil || v != p.Default {
				t.Errorf("%s: the default of %s isn't a canonical value: %q, %v", m.Name, p.Name, v, err)
			}
		}
		server, spec, err := New(m.Name)
		if !m.builtFor(runtime.GOOS, runtime.GOARCH) {
			if err == nil {
				t.Errorf("%s can be had here: %s", m.Name, m.Only())
			}
		} else if err != nil || server == nil || spec.String() != m.Name {
			t.Errorf("%s by itself: %v, %v", m.Name, spec, err)
		}
	}
	all[0].Name = "changed"
	if Catalogue()[0].Name == "changed" {
		t.Error("callers can change the catalogue")
	}
}

func TestWhereAModelRuns(t *testing.T) {
	for _, tt := range []struct {
		model Model
		only  string
		not   [][2]string // systems and architectures that it isn't built for
	}{
		{Model{}, "", nil},
		{Model{System: "linux"}, "Linux only", [][2]string{{"darwin", "arm64"}, {"windows", "amd64"}}},
		{Model{System: "linux", Archs: []string{"amd64", "arm64"}}, "Linux on amd64 or arm64 only", [][2]string{{"darwin", "arm64"}, {"windows", "amd64"}, {"linux", "386"}}},
	} {
		if got := tt.model.Only(); got != tt.only {
			t.Errorf("it runs on %q, want %q", got, tt.only)
		}
		for _, on := range [][2]string{{"linux", "amd64"}, {"linux", "arm64"}, {"linux", "386"}, {"darwin", "arm64"}, {"windows", "amd64"}} {
			if got, want := tt.model.builtFor(on[0], on[1]), !slices.Contains(tt.not, on); got != want {
				t.Errorf("a model for %q is built for %v: %v, want %v", tt.only, on, got, want)
			}
		}
	}
}

func TestNewGivesTheParametersToTheModel(t *testing.T) {
	for spec, want := range map[string]Server{
		"pool":                              poolServer{workers: 16},
		"pool:workers=3,queue=5":            poolServer{workers: 3, queue: 5},
		"pool:when-full=reject":             poolServer{workers: 16, reject: true},
		"errgroup":                          errgroupServer{limit: 32},
		"errgroup:limit=3,when-full=reject": errgroupServer{limit: 3, reject: true},
		"goroutine":                         goroutineServer{},
		"iterative":                         iterativeServer{},
	} {
		if got, _, err := New(spec); err != nil || got != want {
			t.Errorf("%s: got %#v, %v; want %#v", spec, got, err, want)
		}
	}
}

// The models and what they stand on know nothing of the harness, and the
// exchange nothing of the models.
func TestImports(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			ours := strings.HasPrefix(imported, "workbench/")
			switch dir := filepath.ToSlash(filepath.Dir(path)); {
			case ours && !strings.HasPrefix(imported, "workbench/models"):
				t.Errorf("%s imports %s", path, imported)
			case ours && (dir == "exchange" || dir == "eventloop") && imported != "workbench/models/"+dir:
				t.Errorf("%s imports %s: %s stands on nothing of ours", path, imported, dir)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
