package modeltest

import (
	"context"
	"errors"
	"fmt"

	"workbench/models/exchange"
)

// answersAtAll sees whether the subject answers one request, as a model that is
// being written doesn't yet. What Serve returned says more about why not than
// any client could.
func (s Subject) answersAtAll(ctx context.Context) error {
	r := s.rig(ctx)
	server, err := r.start(r.patient())
	if err != nil {
		return err
	}
	answered := make(chan error, 1)
	go func() { answered <- server.ask(0, "") }()
	ended := false
	select {
	case err = <-answered:
	case <-server.returned:
		ended = true
	}
	seen := fmt.Sprintf("%d accepted, %d held, %d closed", server.count(exchange.Accepted), server.count(exchange.Held), server.count(exchange.Closed))
	server.abandon()
	if ended {
		err = <-answered // the listener is closed, so this ends
	}
	switch {
	case err == nil:
		return nil
	case server.gone() && server.err != nil:
		err = fmt.Errorf("Serve returned: %w", server.err)
	case ended:
		err = errors.New("Serve returned nil at once, and should go on until its context is done")
	default:
		err = fmt.Errorf("%w (connections: %s)", err, seen)
	}
	return fmt.Errorf("a first request was not answered, so no check is tried: %w", err)
}
