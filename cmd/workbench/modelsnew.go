package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/format"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// newModelCmd begins a model: a file that compiles and its line in the
// catalogue, with which the conformance suite tries it. There is no third file
// for its test: the suite runs every line, so that no model can be without.
type newModelCmd struct {
	Name string `arg:"" help:"Its name: small letters, digits and dashes, such as lifo."`
	Dir  string `default:"." placeholder:"DIR" help:"The clone of the workbench, or a directory in it (default: this one)."`
}

// catalogueFile is where the lines are, from the top of a clone.
const catalogueFile = "models/catalogue.go"

// Run writes the file and the line, and says what comes next.
func (c newModelCmd) Run(t terminal) error {
	top, err := cloneAround(c.Dir)
	if err != nil {
		return wrong(err)
	}
	m, err := namedModel(c.Name)
	if err != nil {
		return wrong(err)
	}
	dir := filepath.Join(top, "models")
	old, err := os.ReadFile(filepath.Join(top, catalogueFile))
	if err != nil {
		return err
	}
	catalogue, err := withLine(string(old), m)
	if err != nil {
		return err
	}
	taken, err := declared(dir)
	if err != nil {
		return err
	}
	if file := taken[m.Type]; file != "" {
		return wrong(fmt.Errorf("models/%s declares %s already, which is what the type of a model %s is called: choose another name", file, m.Type, m.Name))
	}
	if err := create(filepath.Join(dir, m.File), m.source()); err != nil {
		return err
	}
	if err := replace(filepath.Join(top, catalogueFile), catalogue); err != nil {
		return errors.Join(err, os.Remove(filepath.Join(dir, m.File))) // all of it, or nothing
	}

	fmt.Fprintf(t.out, "models/%s: the model; its Serve is yours to write\n%s: its line\n\nThen", m.File, catalogueFile)
	if here, err := os.Getwd(); err == nil && !sameFile(here, top) {
		fmt.Fprintf(t.out, ", in %s", top)
	}
	fmt.Fprintf(t.out, ":\n  go test ./models -run 'TestConformance/^%s$'       # what is still missing\n"+
		"  go run ./cmd/workbench run --quick --model %s      # once it passes\n", m.Name, m.Name)
	return nil
}

// moduleLine is how a clone of the workbench is known.
var moduleLine = regexp.MustCompile(`(?m)^module[ \t]+workbench[ \t]*(//.*)?\r?$`)

// cloneAround returns the top of the clone that dir lies in.
func cloneAround(dir string) (string, error) {
	top, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(top); err != nil || !info.IsDir() {
		return "", fmt.Errorf("--dir %s: no such directory (name a clone of the workbench)", dir)
	}
	for {
		if b, err := os.ReadFile(filepath.Join(top, "go.mod")); err == nil && moduleLine.Match(b) {
			return top, nil
		}
		up := filepath.Dir(top)
		if up == top {
			return "", fmt.Errorf("%s is not in a clone of the workbench, which is where a model is written: git clone the repository, cd into it and try again, or name it with --dir", dir)
		}
		top = up
	}
}

// A newModel is what a name becomes.
type newModel struct {
	Name string // "two-lines"
	File string // "two_lines.go"
	Type string // "twoLinesServer"
}

var modelName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func namedModel(name string) (newModel, error) {
	if !modelName.MatchString(name) {
		return newModel{}, fmt.Errorf("%q can't name a model: small letters, digits and single dashes between them, beginning with a letter, such as lifo or two-queues", name)
	}
	words := strings.Split(name, "-")
	m := newModel{Name: name, File: strings.Join(words, "_") + ".go", Type: words[0]}
	for _, w := range words[1:] {
		m.Type += strings.ToUpper(w[:1]) + w[1:]
	}
	m.Type += "Server"

	// The go command reads meaning into the ends of files' names.
	nowhere := build.Context{GOOS: "nowhere", GOARCH: "nothing", OpenFile: func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("package models\n")), nil
	}}
	everywhere, err := nowhere.MatchFile(".", m.File)
	switch {
	case err != nil:
		return newModel{}, err
	case strings.HasSuffix(m.File, "_test.go"):
		return newModel{}, fmt.Errorf("%q can't name a model: %s would be a test to the go command", name, m.File)
	case !everywhere:
		return newModel{}, fmt.Errorf("%q can't name a model: the go command would compile %s on some systems alone", name, m.File)
	}
	return m, nil
}

// declared returns what the package in dir declares at its top, and in which
// file; those that can't be parsed are left out, for the compiler says it
// better.
func declared(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	in := map[string]string{}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".go" {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			continue
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					in[d.Name.Name] = e.Name()
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						in[s.Name.Name] = e.Name()
					case *ast.ValueSpec:
						for _, n := range s.Names {
							in[n.Name] = e.Name()
						}
					}
				}
			}
		}
	}
	return in, nil
}

// source is a model whose Serve says what it should do.
func (m newModel) source() string {
	return fmt.Sprintf(`package models

import (
	"context"
	"errors"
	"net"

	"workbench/models/exchange"
)

// %[2]s is a model to be written. Say here how it schedules, and draw it:
//
//	backlog ──accept──▶ ?
//
// Who accepts: … Who reads and answers: … Where connections wait: …
// What it costs, who uses it, and where it breaks: …
type %[2]s struct{}

func (%[2]s) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	defer ln.Close() // x.Accept does that too
	return errors.New("%[1]s: Serve is not written yet (models/%[3]s): range over x.Accept(ctx, ln), " +
		"have somebody call x.Hold(ctx, conn) for each connection, and when all are closed return x.Err(); models/goroutine.go shows the shortest way")
}
`, m.Name, m.Type, m.File)
}

// line is its line of the catalogue.
func (m newModel) line() string {
	return fmt.Sprintf("{\nName: %q,\nClaim: \"to be written: models/%s\",\nnew: func(Spec) Server { return %s{} },\n},", m.Name, m.File, m.Type)
}

// withLine returns the catalogue with a line more, in its place by name.
func withLine(source string, m newModel) (string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, catalogueFile, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return "", fmt.Errorf("%w (mend the catalogue first)", err)
	}
	list := catalogueList(file)
	if list == nil {
		return "", fmt.Errorf("%s has no variable catalogue with a list of models: restore it with git checkout %s", catalogueFile, catalogueFile)
	}
	before := list.Lbrace // what the line comes after
	for _, e := range list.Elts {
		switch name := nameOf(e); {
		case name == m.Name:
			return "", wrong(fmt.Errorf("the catalogue has a model %q already (workbench models lists them): choose another name", name))
		case name != "" && name < m.Name:
			before = e.End() - 1
		}
	}
	at := fset.Position(before).Offset + 1
	head, rest := source[:at], source[at:]
	if before != list.Lbrace {
		rest = strings.TrimPrefix(rest, ",") // a list on one line may end without
		head += ","
	}
	// A comment at the end of the line is the other's.
	if end := strings.IndexByte(rest, '\n'); end >= 0 && strings.HasPrefix(strings.TrimLeft(rest[:end], " \t"), "//") {
		head, rest = head+rest[:end], rest[end:]
	}
	if !strings.HasPrefix(rest, "\n") {
		rest = "\n" + rest
	}
	formatted, err := format.Source([]byte(head + "\n" + m.line() + rest))
	return string(formatted), err
}

// catalogueList is the list of models; nil if the file has none.
func catalogueList(file *ast.File) *ast.CompositeLit {
	for _, d := range file.Decls {
		d, ok := d.(*ast.GenDecl)
		if !ok || d.Tok != token.VAR {
			continue
		}
		for _, s := range d.Specs {
			if v, ok := s.(*ast.ValueSpec); ok && len(v.Values) == 1 && len(v.Names) == 1 && v.Names[0].Name == "catalogue" {
				list, _ := v.Values[0].(*ast.CompositeLit)
				return list
			}
		}
	}
	return nil
}

// nameOf is the name in a line of the catalogue.
func nameOf(e ast.Expr) string {
	line, ok := e.(*ast.CompositeLit)
	if !ok {
		return ""
	}
	for _, f := range line.Elts {
		pair, ok := f.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, _ := pair.Key.(*ast.Ident)
		value, _ := pair.Value.(*ast.BasicLit)
		if key != nil && key.Name == "Name" && value != nil && value.Kind == token.STRING {
			name, err := strconv.Unquote(value.Value)
			if err == nil {
				return name
			}
		}
	}
	return ""
}

// create writes a file that must not be there.
func create(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return wrong(fmt.Errorf("%w: choose another name for the model, or remove it", err))
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// sameFile reports whether two names are those of one file.
func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
