package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

func (p Placed) position() *token.Position {
	if p.Line == 0 {
		return nil
	}
	return &token.Position{Line: p.Line, Column: p.Column}
}

func placed(value string, at *token.Position) Placed {
	if at == nil {
		return Placed{Value: value}
	}
	return Placed{value, at.Line, at.Column}
}

// parseGrids reads the documents of a sweep's file, at least one.
func parseGrids(b []byte) (docs []document, err error) {
	defer notUnderstood(&err)
	if len(b) > MaxFile {
		return nil, fmt.Errorf("longer than %s: no sweep", FormatBytes(MaxFile))
	}
	tokens := tokenize(b)
	if err := checkLists(tokens); err != nil {
		return nil, err
	}
	parts, err := split(tokens)
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		pairs, err := parseTokens(part)
		if err != nil {
			return nil, err
		}
		d, err := readDocument(pairs)
		if err != nil {
			return nil, err
		}
		docs = append(docs, d)
	}
	return docs, nil
}

// split cuts a file into its documents. The parser would do that too, but for
// those behind an empty one, which it drops.
func split(tokens token.Tokens) (docs []token.Tokens, err error) {
	var doc token.Tokens
	var header *token.Token // of a document that has nothing yet
	end := func() error {
		if header != nil && len(doc) == 0 {
			return &yamlError{header.Position, "an empty document: want the keys of a grid, or this line left out"}
		}
		if len(doc) > 0 {
			doc[0].Prev, doc[len(doc)-1].Next = nil, nil
			docs = append(docs, doc)
		}
		doc, header = nil, nil
		return nil
	}
	for _, tk := range tokens {
		switch tk.Type {
		case token.CommentType: // the parser would skip it
		case token.DocumentHeaderType, token.DocumentEndType:
			if err := end(); err != nil {
				return nil, err
			}
			if tk.Type == token.DocumentHeaderType {
				header = tk
			}
		default:
			if n := len(doc); n > 0 {
				doc[n-1].Next, tk.Prev = tk, doc[n-1]
			}
			doc = append(doc, tk)
		}
	}
	if err := end(); err != nil {
		return nil, err
	}
	if len(docs) == 0 {
		return nil, errors.New("empty: want a grid, such as scenarios: [keepalive, io]")
	}
	return docs, nil
}

// checkLists refuses what YAML has and a sweep doesn't need, before the parser
// follows it to whatever depth it goes.
func checkLists(tokens token.Tokens) error {
	depth, colons := 0, 0 // of brackets; in this document
	var last, colon *token.Token
	for _, tk := range tokens {
		what, at := "", tk.Position
		switch tk.Type {
		case token.CommentType:
			continue
		case token.DocumentHeaderType, token.DocumentEndType:
			depth, colons = 0, 0
		case token.SequenceEntryType:
			if last != nil && last.Type == token.SequenceEntryType && last.Position.Line == tk.Position.Line {
				what = listInList
			}
		case token.SequenceStartType:
			if depth++; depth > 1 {
				what = listInList
			}
		case token.SequenceEndType:
			depth--
		case token.MappingValueType:
			colons++
			switch {
			case colons > mostKeys:
				what = fmt.Sprintf("more than %d keys: want those of a grid", mostKeys)
			case colon != nil && colon.Position.Line == tk.Position.Line:
				what = "a second colon before a space: a value that has one needs quotes around it"
			}
			colon = tk
		case token.StringType, token.SingleQuoteType, token.DoubleQuoteType:
			// Behind such text the lexer miscounts lines.
			if strings.ContainsAny(strings.TrimSpace(tk.Origin), "\r\n") {
				what = "text of several lines: want one"
			}
		default:
			what = refused(tk, "a sweep has keys, values and lists")
		}
		// A bracket right behind text would be the text's, but for the list around it.
		opens := tk.Type == token.SequenceStartType || tk.Type == token.MappingStartType
		if what != "" && opens && depth > 0 && last != nil && last.Type == token.StringType {
			at = last.Position
			what = fmt.Sprintf("%s%s: in a list in brackets, what has brackets of its own needs quotes around it: ['pool:workers=[1,4]']", last.Value, tk.Value)
		}
		if what != "" {
			return &yamlError{at, what}
		}
		last = tk
	}
	return nil
}

// mostKeys is more than there are: who slips finds out which one it was. The
// parser takes seconds for thousands of keys.
const mostKeys = 100

const listInList = "a list in a list: want values"

// readDocument reads what a document gives, each value by itself.
func readDocument(pairs []*ast.MappingValueNode) (document, error) {
	var d document
	for _, pair := range pairs {
		name := pair.Key.GetToken()
		i := slices.IndexFunc(sweepKeys, func(k sweepKey) bool { return k.name == name.Value })
		if i < 0 {
			return nil, &yamlError{name.Position, unknownSweepKey(name.Value).Error()}
		}
		if first, twice := d.get(name.Value); twice {
			return nil, &yamlError{name.Position, fmt.Sprintf("%s is given twice, first in line %d", name.Value, first.at.Line)}
		}
		g := given{sweepKey: sweepKeys[i], at: placed(name.Value, name.Position)}
		if err := g.read(pair.Value, name); err != nil {
			return nil, err
		}
		d = append(d, g)
	}
	return d, nil
}

// read reads the value of a key, or the values of its list.
func (g *given) read(n ast.Node, name *token.Token) error {
	items, brackets := []ast.Node{n}, false
	if list, ok := n.(*ast.SequenceNode); ok {
		wrong := func(what string) error { return &yamlError{place(n, name), g.name + ": " + what} }
		switch items, brackets = list.Values, list.IsFlowStyle; {
		case !g.list:
			return wrong("a list: want one value, such as " + g.example)
		case len(items) == 0:
			return wrong("an empty list: want at least one value, such as " + g.example + ", or the key left out")
		}
	}
	seen := map[string]bool{}
	for i, item := range items {
		at := place(item, name)
		wrong := func(err error) error { return &yamlError{at, g.name + ": " + err.Error()} }
		if _, ok := item.(*ast.SequenceNode); ok {
			return wrong(errors.New(listInList))
		}
		v, err := word(item, g.takes, g.example)
		if err != nil {
			return wrong(err)
		}
		canonical, err := g.check(v)
		if err != nil && brackets {
			if whole := g.torn(items[i:]); whole != "" {
				err = fmt.Errorf("%s: in a list in brackets, what has a comma needs quotes around it: ['%s']", v, whole)
			}
		}
		if err != nil {
			return wrong(err)
		}
		if g.axis != "" && seen[canonical] {
			return wrong(fmt.Errorf("%s is given twice", v))
		}
		seen[canonical] = true
		g.values = append(g.values, placed(v, at))
	}
	return nil
}

// torn is the value of which a list in brackets made the first few of items at
// its commas, "" if there is none.
func (g *given) torn(items []ast.Node) string {
	whole := ""
	for i, item := range items[:min(len(items), 3)] {
		tk := item.GetToken()
		if tk == nil || tk.Type == token.SingleQuoteType || tk.Type == token.DoubleQuoteType {
			break
		}
		if i == 0 {
			whole = tk.Value
			continue
		}
		whole += "," + tk.Value
		if _, err := g.check(whole); err == nil {
			return whole
		}
	}
	return ""
}

func unknownSweepKey(name string) error {
	var all []string
	for _, k := range sweepKeys {
		all = append(all, k.name)
	}
	have := strings.Join(all, ", ")
	if near := nearest(name, all); near != "" {
		return fmt.Errorf("unknown key %q; did you mean %q? (keys: %s)", name, near, have)
	}
	if slices.Contains(keyNames(), name) {
		return fmt.Errorf("unknown key %q: a scenario has it, so give it in a file of its own and name that under scenarios (keys: %s)", name, have)
	}
	return fmt.Errorf("unknown key %q (keys: %s)", name, have)
}
