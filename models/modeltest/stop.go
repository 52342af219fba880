package modeltest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"workbench/models/exchange"
)

// stopAnswers stops servers on which every place is kept in one way: by
// requests at work, which are answered, or by clients that have none, which
// are not waited for.
func stopAnswers(r *rig) error {
	o := r.patient()
	o.Grace = r.Patience
	return parallel(len(silent)+3, 3, func(i int) error {
		switch i {
		case 0:
			return r.stopAtWork(o, get(1000, "wait=300ms"), 1)
		case 1:
			if r.excused("three requests sent at once") {
				return nil
			}
			return r.stopAtWork(o, get(1000, "wait=100ms")+get(1000, "wait=100ms")+get(1000, "wait=100ms"), 3)
		case 2:
			if !r.speaks(exchange.Once) {
				return nil
			}
			return r.stopSilent(inOnce(o), silence)
		default:
			return r.stopSilent(o, silent[i-3])
		}
	})
}

func (r *rig) stopAtWork(o exchange.Options, sent string, answers int) error {
	s, err := r.start(o)
	if err != nil {
		return err
	}
	defer s.abandon()
	n := r.roomAtWork(8)
	clients := make([]*client, n)
	for i := range clients {
		if clients[i], err = s.dial(); err != nil {
			return err
		}
		defer clients[i].close()
		if err := clients[i].send(sent); err != nil {
			return err
		}
	}
	if err := s.await("all requests to be read and the first ones to be at work", func(w *watch) bool {
		return w.seen[exchange.Working] >= n && w.read >= int64(n*len(sent))
	}); err != nil {
		return err
	}
	s.askToStop()
	// Where the first work hadn't long begun, no answer was as good as written
	// when the stop came, and the last one must say that it is the last.
	mustSay := s.stopped.Sub(s.first(exchange.Working, 0)) < 50*time.Millisecond
	err = parallel(n, n, func(i int) error {
		for k := range answers {
			a, err := clients[i].expect(http.StatusOK, 1000)
			if err != nil {
				return fmt.Errorf("request %d of %d that were read before a stop: %w", k+1, answers, err)
			}
			switch last := k == answers-1; {
			case a.closes && !last:
				return fmt.Errorf("answer %d of %d after a stop says Connection: close, and more requests were read", k+1, answers)
			case !a.closes && last && mustSay:
				return errors.New("the last answer after a stop doesn't say Connection: close")
			}
		}
		err := clients[i].end()
		clients[i].close()
		return err
	})
	if err != nil {
		return s.explain(err)
	}
	took, err := s.stop()
	if err == nil && took >= o.Grace {
		err = fmt.Errorf("all was answered, and Serve still waited its whole grace, %v", o.Grace)
	}
	return err
}

func (r *rig) stopSilent(o exchange.Options, m manner) error {
	s, err := r.start(o)
	if err != nil {
		return err
	}
	defer s.abandon()
	n := r.room(8)
	clients := make([]*client, n)
	for i := range clients {
		if clients[i], err = s.dial(); err != nil {
			return err
		}
		defer clients[i].close()
		if err := m.begin(clients[i]); err != nil {
			return err
		}
	}
	if err := s.awaitSeen(exchange.Held, n, fmt.Sprintf("%d clients to be held", n)); err != nil {
		return err
	}
	took, err := s.stop()
	if err != nil {
		return fmt.Errorf("with %d clients each of which %s: %w", n, m.is, err)
	}
	if took >= o.Grace {
		return fmt.Errorf("a stop waited its whole grace, %v, for clients each of which %s", o.Grace, m.is)
	}
	for _, c := range clients {
		if err := c.over(); err != nil {
			return fmt.Errorf("after a stop, a client that %s: %w", m.is, err)
		}
	}
	return s.refusesClients()
}

// stopWaiting stops a server on which every place is taken by requests at
// work, and others wait.
func stopWaiting(r *rig) error {
	n := r.held
	if r.work > 0 && (n == 0 || r.work < n) {
		n = r.work
	}
	switch {
	case n == 0:
		return notApplicable("the model has no limit, so nobody waits")
	case n > 100:
		return notApplicable("there are too many places to fill")
	}
	o := r.patient()
	o.Grace = r.Patience
	s, err := r.start(o)
	if err != nil {
		return err
	}
	defer s.abandon()
	atWork, waiting := make([]*client, n), make([]*client, 10)
	if r.Rejects {
		waiting = waiting[:min(10, r.open-n)] // any more would be turned away
	}
	defer func() {
		for _, c := range append(atWork, waiting...) {
			if c != nil {
				c.close()
			}
		}
	}()
	for i := range atWork {
		if atWork[i], err = s.dial(); err != nil {
			return err
		}
		if err := atWork[i].send(get(10, "wait=300ms")); err != nil {
			return err
		}
	}
	if err := s.awaitSeen(exchange.Working, n, fmt.Sprintf("%d requests to be at work", n)); err != nil {
		return err
	}
	for i := range waiting {
		if waiting[i], err = s.dial(); err != nil {
			return err
		}
		if err := waiting[i].send(get(10, "")); err != nil {
			return err
		}
	}
	s.askToStop()
	if err := parallel(n, n, func(i int) error {
		_, err := atWork[i].expect(http.StatusOK, 10)
		atWork[i].close()
		return err
	}); err != nil {
		return s.explain(fmt.Errorf("a request at work when the stop came: %w", err))
	}
	if err := parallel(len(waiting), len(waiting)+1, func(i int) error {
		// It may have got its place just before the stop.
		_, err := waiting[i].expect(http.StatusOK, 10)
		if errors.Is(err, errNoAnswer) {
			return nil
		}
		if err == nil {
			err = waiting[i].over()
		}
		waiting[i].close() // who was answered after the stop is lingered for
		return err
	}); err != nil {
		return s.explain(fmt.Errorf("a client that waited for a place when the stop came: %w", err))
	}
	took, err := s.stop()
	switch {
	case err != nil:
		return err
	case took >= o.Grace:
		return fmt.Errorf("all was answered, and Serve still waited its whole grace, %v", o.Grace)
	}
	return s.refusesClients()
}

// stopGrace stops servers whose clients need longer than the grace.
func stopGrace(r *rig) error {
	rows := []manner{
		{is: "asked for 60 s of waiting", begin: sends(get(1, "wait=60s"))},
		{is: "asked for 10 s of CPU", begin: sends(get(1, "spin=10s"))},
		deaf[0],
	}
	o := r.patient()
	o.Grace = 200 * time.Millisecond
	o.SpinPerUs = 1000 // enough for a spin that is long, and can be called off often
	return parallel(len(rows), len(rows), func(i int) error {
		m := rows[i]
		s, err := r.start(o)
		if err != nil {
			return err
		}
		defer s.abandon()
		c, err := s.dial()
		if err != nil {
			return err
		}
		defer c.close()
		if err := m.begin(c); err != nil {
			return err
		}
		if err := s.await("a client that "+m.is+" to be read", func(w *watch) bool { return w.read > 0 }); err != nil {
			return err
		}
		took, err := s.stop()
		switch {
		case err != nil:
			return fmt.Errorf("with a client that %s: %w", m.is, err)
		case took < o.Grace:
			return fmt.Errorf("a client that %s was cut off %v after the stop, before the grace of %v was over", m.is, took, o.Grace)
		}
		if s.count(exchange.Answered) != 0 {
			return fmt.Errorf("a client that %s was answered all the same", m.is)
		}
		return s.refusesClients()
	})
}

// stopUnderLoad stops a server that is busy: with clients that keep their
// connections, and with such that don't.
func stopUnderLoad(r *rig) error {
	const clients = 20
	for _, kept := range [...]bool{false, true} {
		o := r.patient()
		o.Grace = r.Patience
		s, err := r.start(o)
		if err != nil {
			return err
		}
		defer s.abandon()
		done := make(chan error, 1)
		go func() {
			done <- parallel(clients, clients, func(int) error {
				for {
					if gone, err := s.askUntilStopped(kept); gone || err != nil {
						return err
					}
				}
			})
		}()
		if err := s.awaitSeen(exchange.Answered, 200, "200 requests to be answered"); err != nil {
			s.abandon()
			return errors.Join(err, <-done)
		}
		took, err := s.stop()
		broken := <-done
		switch {
		case broken != nil:
			return fmt.Errorf("a stop under load: %w", broken)
		case err != nil:
			return fmt.Errorf("a stop under load: %w", err)
		case took >= o.Grace:
			return fmt.Errorf("a stop under load took the whole grace, %v, for requests without work", o.Grace)
		}
	}
	return nil
}

// askUntilStopped asks on one connection until it is closed, and reports
// whether the server is gone. An answer that breaks off is an error.
func (s *server) askUntilStopped(kept bool) (gone bool, err error) {
	c, err := s.dial()
	if err != nil {
		return true, nil
	}
	defer c.close()
	for range 20 { // then a new one, so that others get a place
		headers := []string{}
		if !kept {
			headers = append(headers, "Connection: close")
		}
		// Where the answer is no answer, that the request wasn't sent whole is
		// no fault either.
		sending := c.send(get(5000, "", headers...))
		a, err := c.expect(http.StatusOK, 5000)
		switch {
		case errors.Is(err, errNoAnswer):
			return true, nil
		case s.Rejects && errors.Is(err, errTurnedAway):
			return false, nil
		case err != nil:
			return true, err
		case sending != nil:
			return true, sending
		case a.closes:
			return false, nil
		}
	}
	return false, nil
}

// stopIdle stops a server that has not begun, one that has just begun, and one
// that waits for its next client.
func stopIdle(r *rig) error {
	stopped, cancel := context.WithCancel(r.ctx)
	cancel()
	for _, row := range []struct {
		is     string
		ctx    context.Context
		before func(s *server) error
	}{
		{"stopped before Serve was called", stopped, nil},
		{"stopped at once", r.ctx, nil},
		{"stopped while nobody came", r.ctx, func(s *server) error {
			if err := s.ask(0, ""); err != nil {
				return err
			}
			return s.awaitEmpty()
		}},
	} {
		s, err := r.startIn(row.ctx, r.patient())
		if err != nil {
			return err
		}
		defer s.abandon()
		if row.before != nil {
			if err := row.before(s); err != nil {
				return err
			}
		}
		if _, err := s.stop(); err != nil {
			return fmt.Errorf("%s: %w", row.is, err)
		}
		if err := s.refusesClients(); err != nil {
			return fmt.Errorf("%s: %w", row.is, err)
		}
	}
	return nil
}

// What a server may be at when its listener fails.
const (
	idleServer   = "an idle server"
	silentClient = "a server with a silent client"
	askingClient = "a server with a client that goes on asking"
)

// listenerFault has the listener fail under the model, which may have a client
// that is silent, or one that would keep it busy for ever.
func listenerFault(r *rig) error {
	situations := []string{idleServer, silentClient, askingClient}
	if r.held == 1 { // its one place is taken, so it doesn't look at its listener
		situations = situations[:2]
	}
	for _, with := range situations {
		if err := r.losesListener(with); err != nil {
			return err
		}
	}
	return nil
}

func (r *rig) losesListener(with string) error {
	s, err := r.startFragile(r.hurried(idleTimeout))
	if err != nil {
		return err
	}
	defer s.abandon()
	if with != idleServer {
		c, err := s.dial()
		if err != nil {
			return err
		}
		if err := c.ask(1, ""); err != nil {
			c.close()
			return err
		}
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			for with == askingClient && c.ask(1, "wait=1ms") == nil {
			}
		}()
		defer func() {
			s.abandon() // which ends the asking
			<-asked
			c.close()
		}()
	}
	if err := s.spoil(); err != nil {
		return err
	}
	if !s.ended(s.Patience) {
		return fmt.Errorf("%v after the listener of %s failed under it, Serve has not returned", s.Patience, with)
	}
	if s.err == nil {
		return fmt.Errorf("the listener of %s failed under it, without a stop, and Serve returned nil", with)
	}
	return nil
}
