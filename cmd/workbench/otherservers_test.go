package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The servers in other languages that the README shows are those that the
// scripts run.
func TestTheServersOfTheREADMEAreTried(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ language, script, file string }{
		{"python", "python.txtar", "server.py"},
		{"nginx", "nginx.txtar", "nginx.conf"},
	} {
		_, shown, found := strings.Cut(string(readme), "\n```"+tt.language+"\n")
		shown, _, closed := strings.Cut(shown, "```\n")
		if !found || !closed {
			t.Errorf("the README shows no block of %s", tt.language)
			continue
		}
		text, err := os.ReadFile(filepath.Join("testdata", "script", tt.script))
		if err != nil {
			t.Fatal(err)
		}
		script, tried, _ := strings.Cut(string(text), "\n-- "+tt.file+" --\n") // the last of the script
		if diff := cmp.Diff(shown, tried); diff != "" {
			t.Errorf("%s of %s is not what the README shows (-README +script):\n%s", tt.file, tt.script, diff)
		}
		command := ""
		for line := range strings.Lines(script) {
			if _, rest, ok := strings.Cut(line, "--server '"); ok && command == "" {
				command, _, _ = strings.Cut(rest, "'")
			}
		}
		if command == "" || !strings.Contains(string(readme), command) {
			t.Errorf("the README doesn't have the command that %s runs: %s", tt.script, command)
		}
	}
}
