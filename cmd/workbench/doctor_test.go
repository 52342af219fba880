package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"workbench/harness/doctor"
)

func TestFindingsInNarrowTerminals(t *testing.T) {
	f := doctor.Finding{
		What: "tcp_tw_reuse", Found: "0 (never), but that is not all there is to say", Grade: doctor.Doubtful,
		Spoils: "loads with a connection for each request", Cure: "sudo sysctl -w net.ipv4.tcp_tw_reuse=2 net.ipv4.tcp_timestamps=1",
	}
	for _, tt := range []struct {
		name    string
		columns int
		want    string
	}{
		{"a file has lines of any width", 0, `
doubtful  tcp_tw_reuse  0 (never), but that is not all there is to say
          spoils  loads with a connection for each request
          cure    sudo sysctl -w net.ipv4.tcp_tw_reuse=2 net.ipv4.tcp_timestamps=1
`},
		{"text is broken below its beginning, a command never", 50, `
doubtful  tcp_tw_reuse  0 (never), but that is not
                        all there is to say
          spoils  loads with a connection for each
                  request
          cure    sudo sysctl -w net.ipv4.tcp_tw_reuse=2 net.ipv4.tcp_timestamps=1
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := examined(f, tt.columns)
			if got != tt.want[1:] {
				t.Errorf("got\n%swant%s", got, tt.want)
			}
			for line := range strings.Lines(got) {
				if n := utf8.RuneCountInString(line) - 1; tt.columns > 0 && n > tt.columns && !strings.Contains(line, f.Cure) {
					t.Errorf("%q has %d columns", line, n)
				}
			}
		})
	}
}
