package main

import (
	"encoding/json"
	"testing"
)

func TestClientsAloneAgainstAServer(t *testing.T) {
	server := start(t, "serve", "--addr", "127.0.0.1:0")
	port := server.out.await(t, `port (\d+)`)[1]
	for _, tt := range []struct {
		name, each string
		reuses     bool
	}{
		{"a connection for each request", "1", false},
		{"connections that are kept", "1000000", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := start(t, "clients", "--addr", "127.0.0.1:"+port, "--clients", "4", "--requests-per-connection", tt.each, "--for", "100ms", "--engine", "net")
			if code := c.wait(t); code != exitDone {
				t.Fatalf("exit code %d: %s", code, c.err.String())
			}
			var r clientsReport
			if err := json.Unmarshal([]byte(c.out.String()), &r); err != nil {
				t.Fatal(err)
			}
			if r.Engine != "net" || r.Failed != 0 || r.Requests < 1 || r.RequestsAll < r.Requests || r.WindowUs < 100_000 || r.P99Us < r.P50Us || r.P50Us <= 0 {
				t.Errorf("got %+v", r)
			}
			if kept := r.Connections == 4; kept != tt.reuses && r.RequestsAll > 4 {
				t.Errorf("%d connections for %d requests of 4 clients", r.Connections, r.RequestsAll)
			}
		})
	}
	server.stop()
	server.wait(t)
}

func TestClientsAreForThisMachineAlone(t *testing.T) {
	for _, addr := range []string{"192.0.2.1:80", "example.com:80", "localhost", "127.0.0.1"} {
		c := start(t, "clients", "--addr", addr)
		if code := c.wait(t); code != exitUsage {
			t.Errorf("%s: exit code %d, want %d: %s", addr, code, exitUsage, c.err.String())
		}
	}
}
