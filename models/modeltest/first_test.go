package modeltest

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"workbench/models/exchange"
)

// A model that is being written fails once, and says what it lacks.
func TestAFirstRequest(t *testing.T) {
	for _, row := range []struct {
		is   string
		does serve
		says string // nil error where empty
	}{
		{"a model that answers", unlimited, ""},
		{"one that isn't written yet", func(_ context.Context, ln *net.TCPListener, _ *exchange.Exchange) error {
			defer ln.Close()
			return errors.New("to be written")
		}, "Serve returned: to be written"},
		{"one that ends and leaves its listener open", func(context.Context, *net.TCPListener, *exchange.Exchange) error {
			return errors.New("to be written")
		}, "Serve returned: to be written"},
		{"one that ends as if it had been stopped", func(context.Context, *net.TCPListener, *exchange.Exchange) error {
			return nil
		}, "Serve returned nil at once"},
		{"one that panics", func(context.Context, *net.TCPListener, *exchange.Exchange) error {
			panic("to be written")
		}, "Serve returned: panic in Serve: to be written"},
		{"one that accepts and holds nobody", func(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
			for conn := range x.Accept(ctx, ln) {
				defer x.Hold(ctx, conn)
			}
			return x.Err()
		}, "no answer within 300ms (connections: 1 accepted, 0 held, 0 closed)"},
	} {
		t.Run(row.is, func(t *testing.T) {
			subject := Subject{New: newServe(row.does), Patience: 10 * time.Second}
			if strings.HasPrefix(row.says, "no answer") {
				subject.Patience = 300 * time.Millisecond
			}
			err := subject.answersAtAll(t.Context())
			switch {
			case row.says == "" && err != nil:
				t.Error(err)
			case row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says)):
				t.Errorf("got %v\nwant in it: %s", err, row.says)
			}
		})
	}
}
