package scenario

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxFile is the size in bytes up to which a scenario's or a sweep's file is
// read. A tenth would do; what is longer is another file.
const MaxFile = 64 << 10

// Find returns the scenario that arg names: a file, if it ends in .yaml or .yml
// or has a directory, else one of the catalogue.
func Find(arg string) (Scenario, error) {
	if isFile(arg) {
		return ReadFile(arg)
	}
	return Named(arg)
}

// isFile reports whether arg is a file's name rather than one of the catalogue.
func isFile(arg string) bool {
	ext := strings.ToLower(filepath.Ext(arg))
	return ext == ".yaml" || ext == ".yml" || filepath.Base(arg) != arg
}

// ReadFile reads a scenario from a file, as [Decode] does.
func ReadFile(path string) (Scenario, error) {
	b, err := readFile(path)
	if err != nil {
		return Scenario{}, fmt.Errorf("scenario file %s: %w (workbench scenarios NAME prints one to start from)", path, err)
	}
	return Decode(path, b)
}

// readFile reads a file up to a byte more than it may have. Its error leaves
// the path to the caller.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err == nil {
		defer f.Close() // of what was only read
		var b []byte
		if b, err = io.ReadAll(io.LimitReader(f, MaxFile+1)); err == nil {
			return b, nil
		}
	}
	if e, ok := errors.AsType[*os.PathError](err); ok {
		err = e.Err
	}
	return nil, err
}

// Decode reads a scenario in YAML. The keys are those that [Scenario.YAML]
// writes, all of them optional: what is left out is HTTP, one request on a
// connection, no work, and 64 clients, or, where there is a rate, Poisson
// arrivals. The loop follows from that. Name is the file's: it stands in
// errors, and without its directory and extension it is the scenario's name
// unless that is given.
//
// It is strict: one document of keys with one value each, none twice, none
// unknown. An error is one line, FILE:LINE:COLUMN: what, and what would be
// right. A scenario that comes out is valid.
func Decode(name string, b []byte) (Scenario, error) {
	values, at, err := parseYAML(b)
	if err != nil {
		return Scenario{}, locate(name, err)
	}
	base := Scenario{Conversation: ConversationHTTP, RequestsPerConnection: 1}
	s, err := base.With(values)
	if e, ok := errors.AsType[*KeyError](err); ok {
		return Scenario{}, locate(name, &yamlError{at[e.Key], err.Error()})
	}
	if _, given := values["clients"]; !given && s.Loop == LoopClosed {
		s.Clients = defaultClients
	}
	if _, given := values["name"]; !given {
		s.Name = strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
		if err := checkName(s.Name); err != nil {
			return Scenario{}, fmt.Errorf("%s: name %w; rename the file, or give a name in it", name, err)
		}
	}
	if key, err := s.problem(); err != nil {
		return Scenario{}, locate(name, &yamlError{at[key], err.Error()})
	}
	if ours, err := Named(s.Name); err == nil && !ours.sameLoad(s) {
		return Scenario{}, locate(name, &yamlError{at["name"], fmt.Sprintf("name %q: the catalogue has another load of that name (rename the file, or give a name in it)", s.Name)})
	}
	return s, nil
}

// defaultClients is how many there are in a file that speaks of no others.
const defaultClients = 64

// sameLoad reports whether s and o ask for the same, whatever they claim.
func (s Scenario) sameLoad(o Scenario) bool {
	s.Claim, o.Claim = "", ""
	return s == o
}

// A yamlError is what is wrong at a place of a file, nil if at none.
type yamlError struct {
	at   *token.Position
	what string
}

func (e *yamlError) Error() string { return e.what }

// locate puts the file, and the place in it, before an error.
func locate(name string, err error) error {
	if e, ok := errors.AsType[*yamlError](err); ok && e.at != nil {
		return fmt.Errorf("%s:%d:%d: %w", name, e.at.Line, e.at.Column, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// parseYAML returns the values of a document by their keys, in words, and where
// they stand.
func parseYAML(b []byte) (values map[string]string, at map[string]*token.Position, err error) {
	if len(b) > MaxFile {
		return nil, nil, fmt.Errorf("longer than %s: no scenario", FormatBytes(MaxFile))
	}
	pairs, err := parsePairs(b)
	if err != nil {
		return nil, nil, err
	}
	if len(pairs) == 0 {
		return nil, nil, errors.New("empty: want at least one key and its value, such as clients: 64 (workbench scenarios NAME prints a file to start from)")
	}
	values, at = map[string]string{}, map[string]*token.Position{}
	for _, pair := range pairs {
		name := pair.Key.GetToken()
		i := slices.IndexFunc(keys, func(k key) bool { return k.name == name.Value })
		if i < 0 {
			return nil, nil, &yamlError{name.Position, unknownKey(name.Value).Error()}
		}
		if first, twice := at[name.Value]; twice {
			return nil, nil, &yamlError{name.Position, fmt.Sprintf("%s is given twice, first in line %d", name.Value, first.Line)}
		}
		value, err := keys[i].value(pair.Value)
		if err != nil {
			return nil, nil, &yamlError{place(pair.Value, name), name.Value + ": " + err.Error()}
		}
		values[name.Value], at[name.Value] = value, pair.Value.GetToken().Position
	}
	return values, at, nil
}

// value is the value of a key in words.
func (k key) value(n ast.Node) (string, error) { return word(n, k.takes, k.example) }

// word is a value in words, if it is of the kind that is wanted there.
func word(n ast.Node, want takes, example string) (string, error) {
	raw := n.GetToken().Value
	if digits, _, _ := strings.Cut(raw, "."); want != text && len(digits) > 1 && digits[0] == '0' && isDigits(digits) {
		return "", fmt.Errorf("%s: want a number without leading zeros (010 is 8 to some readers of YAML, and 10 to others)", raw)
	}
	switch n := n.(type) {
	case *ast.StringNode:
		if want == whole {
			return "", fmt.Errorf("%q is text: want a whole number", n.Value)
		}
		return n.Value, nil
	case *ast.IntegerNode:
		if want == text {
			return "", fmt.Errorf("%s is a number: want text, as in '%s'", raw, raw)
		}
		return raw, nil
	case *ast.FloatNode:
		if want == text || want == whole {
			return "", fmt.Errorf("%s is a number with decimals: want %s", raw, map[takes]string{text: "text, as in '" + raw + "'", whole: "a whole number"}[want])
		}
		return raw, nil
	case *ast.BoolNode:
		if want == truth {
			return strconv.FormatBool(n.Value), nil
		}
	case *ast.NullNode:
		return "", errors.New("no value: want one, or the key left out")
	}
	if _, ok := n.(ast.ScalarNode); ok && want == text {
		return "", fmt.Errorf("%s: want text, as in '%s'", raw, raw)
	} else if ok {
		return "", fmt.Errorf("%s: want a value such as %s", raw, example)
	}
	return "", fmt.Errorf("keys of its own: want one value, such as %s", example)
}

// place is where a value stands, or, where the parser doesn't know, its key.
func place(value ast.Node, key *token.Token) *token.Position {
	if tk := value.GetToken(); tk != nil && tk.Position != nil && tk.Position.Line > 0 {
		return tk.Position
	}
	return key.Position
}

// parsePairs reads the keys and values of the only document.
func parsePairs(b []byte) (pairs []*ast.MappingValueNode, err error) {
	defer notUnderstood(&err)
	tokens := tokenize(b)
	if err := checkPlain(tokens); err != nil {
		return nil, err
	}
	return parseTokens(tokens)
}

// notUnderstood makes an error of the parser's panic: it dereferences nil where
// it is given nonsense such as "key:\n}" (goccy/go-yaml issue 890).
func notUnderstood(err *error) {
	if r := recover(); r != nil {
		*err = errors.New("no YAML that could be understood: want lines of a key and its value, such as clients: 64")
	}
}

func tokenize(b []byte) token.Tokens {
	return lexer.Tokenize(strings.TrimPrefix(string(b), "\ufeff")) // as some editors begin a file
}

// parseTokens reads the keys and values of a document.
func parseTokens(tokens token.Tokens) (pairs []*ast.MappingValueNode, err error) {
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // said better here, with both places
	if e, ok := errors.AsType[yaml.Error](err); ok {
		var at *token.Position
		if tk := e.GetToken(); tk != nil {
			at = tk.Position
		}
		return nil, &yamlError{at, "no YAML: " + strings.Join(strings.Fields(e.GetMessage()), " ")}
	}
	if err != nil {
		return nil, errors.New("no YAML: " + strings.Join(strings.Fields(err.Error()), " "))
	}
	for _, doc := range file.Docs {
		switch body := doc.Body.(type) {
		case nil:
		case *ast.MappingNode:
			pairs = append(pairs, body.Values...)
		case *ast.MappingValueNode:
			pairs = append(pairs, body)
		default:
			return nil, &yamlError{body.GetToken().Position, "want lines of a key and its value, such as clients: 64"}
		}
	}
	return pairs, nil
}

// checkPlain refuses what YAML has and a scenario doesn't need, before the
// parser follows it to whatever depth it goes.
func checkPlain(tokens token.Tokens) error {
	const second = "a second document: want one scenario in a file"
	begun, ended := false, false
	for _, tk := range tokens {
		what := ""
		switch tk.Type {
		case token.CommentType:
			continue
		case token.DocumentEndType: // the parser would take what follows for more of the same
			ended = true
			continue
		case token.DocumentHeaderType:
			if begun {
				what = second
			}
		case token.SequenceStartType, token.SequenceEntryType:
			what = "a list: a key of a scenario has one value"
		default:
			what = refused(tk, "a scenario has keys and values")
		}
		if ended {
			what = second
		}
		if what != "" {
			return &yamlError{tk.Position, what}
		}
		begun = true
	}
	return nil
}

// refused says what is wrong with a token that none of our files needs, "" of
// others.
func refused(tk *token.Token, has string) string {
	switch tk.Type {
	case token.MappingStartType, token.MappingKeyType:
		return "braces or a question mark: want lines of a key and its value, such as clients: 64"
	case token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType, token.DirectiveType:
		return fmt.Sprintf("%q: %s, and no anchors, references, tags or directives", tk.Value, has)
	case token.LiteralType, token.FoldedType:
		return "text of several lines: want one"
	}
	return ""
}

// YAML is s as a file that [Decode] reads, with a comment for each key. Keys
// that s leaves out stand there as comments, with an example. What isn't in the
// file is the rate that a pilot found, which is no part of what was asked for.
func (s Scenario) YAML() string {
	var b strings.Builder
	for _, k := range keys {
		v := k.get(s)
		line := k.name + ": " + v
		switch {
		case v == "":
			line = "# " + k.name + ": " + k.example
		case k.name == "loop":
			line = "# " + line // follows from the others; so they can be changed without it
		case k.takes == text && (k.name == "claim" || token.IsNeedQuoted(v)):
			line = k.name + ": '" + strings.ReplaceAll(v, "'", "''") + "'"
		}
		fmt.Fprintf(&b, "%-34s # %s\n", line, k.means)
	}
	return b.String()
}
