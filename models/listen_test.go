package models

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestListenErrorsSayWhatToDo(t *testing.T) {
	taken, err := Listen(t.Context(), "127.0.0.1:0", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, row := range []struct {
		title, addr string
		backlog     int
		want        string
	}{
		{"an address in use", taken.Addr().String(), 0, "listen " + taken.Addr().String() + ": address already in use (choose another with --addr)"},
		{"somebody else's address", "192.0.2.1:0", 0, "listen 192.0.2.1:0: this machine has no such address (choose another with --addr)"}, // RFC 5737: nobody's
		{"no port", "127.0.0.1", 0, "listen 127.0.0.1: address 127.0.0.1: missing port in address"},
		{"no such port", "127.0.0.1:65536", 0, "listen 127.0.0.1:65536: address 65536: invalid port"},
		{"a negative backlog", "127.0.0.1:0", -1, "backlog -1: must not be negative (0 stands for the system's limit)"},
	} {
		t.Run(row.title, func(t *testing.T) {
			ln, err := Listen(t.Context(), row.addr, row.backlog)
			if err == nil {
				_ = ln.Close()
				t.Fatal("no error")
			}
			if err.Error() != row.want {
				t.Errorf("\n got %v\nwant %s", err, row.want)
			}
		})
	}
	if most := somaxconn(); most > 0 {
		if _, err := Listen(t.Context(), "127.0.0.1:0", most+1); err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("backlog %d: must be 0 to %d,", most+1, most)) {
			t.Errorf("a backlog above the system's limit: %v", err)
		}
	}
	// Who may take a port below 1024 depends on who runs the test.
	denied := &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)}
	if err := listenError("127.0.0.1:80", denied); err.Error() != "listen 127.0.0.1:80: permission denied (ports below 1024 are the system's; choose another with --addr)" {
		t.Error(err)
	}
	other := &net.OpError{Op: "listen", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	if err := listenError("127.0.0.1:80", other); err.Error() != "listen 127.0.0.1:80: socket: too many open files" || !errors.Is(err, syscall.EMFILE) {
		t.Error(err)
	}
}
