package modeltest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"workbench/models/exchange"
)

// mostPlaces is how many places a check fills at most: two descriptors each.
const mostPlaces = 2000

// limits fills every place and 20 more, then has clients come and go, and
// looks at what was held and open at most. Where the work is limited it does the
// same with requests at work.
func limits(r *rig) error {
	switch {
	case r.held == 0 && r.open == 0 && r.work == 0:
		return notApplicable("the model promises no limit and declares none")
	case max(r.held, r.open, r.work) > mostPlaces:
		return notApplicable("there are too many places to fill")
	}
	if err := r.declaresPromises(); err != nil {
		return err
	}
	if r.work > 0 {
		if err := r.limitsWork(); err != nil {
			return err
		}
	}
	if r.held == 0 && r.open == 0 {
		return nil
	}
	s, err := r.start(r.patient())
	if err != nil {
		return err
	}
	defer s.abandon()
	n := max(r.held, r.open)
	if !r.Rejects {
		n += 20
	}
	fillers, err := s.fill(n)
	defer closeAll(fillers)
	if err != nil {
		return err
	}
	if err := s.awaitSeen(exchange.Held, r.held, fmt.Sprintf("%d connections to be held", r.held)); err != nil {
		return err
	}
	// Nothing can be waited for here: nobody else is to be held.
	window := time.NewTimer(100 * time.Millisecond)
	<-window.C
	if err := finish(fillers); err != nil {
		return err
	}
	if err := parallel(200, 50, func(int) error { return s.ask(1, "wait=1ms") }); err != nil {
		return err
	}
	if err := s.awaitEmpty(); err != nil {
		return err
	}

	most := r.open
	if r.Rejects {
		most++ // in the hand of whoever accepts, and to be judged yet
	}
	held, open, err := s.peaks()
	switch {
	case err != nil:
		return err
	case r.held > 0 && held > r.held:
		return fmt.Errorf("%d connections were held at once, and the limit is %d", held, r.held)
	case r.open > 0 && open > most:
		return fmt.Errorf("%d connections were accepted and open at once, and the limit is %d", open, most)
	}
	if turned := s.count(exchange.TurnedAway); turned > 0 && !r.Rejects {
		return fmt.Errorf("%d clients were turned away by a model that lets them wait", turned)
	}
	return nil
}

// limitsWork has 20 requests more than may be at work come at once, and looks at
// how many were at most.
func (r *rig) limitsWork() error {
	s, err := r.start(r.patient())
	if err != nil {
		return err
	}
	defer s.abandon()
	n := r.work + 20
	if err := parallel(n, n, func(int) error { return s.ask(1, "wait=50ms") }); err != nil {
		return fmt.Errorf("%d requests came at once, of which %d may be at work: %w", n, r.work, err)
	}
	if err := s.awaitEmpty(); err != nil {
		return err
	}
	if most := s.atWork(); most > r.work {
		return fmt.Errorf("%d requests were at work at once, and the limit is %d", most, r.work)
	}
	return nil
}

// declaresPromises compares what the model declares with what its parameters
// promise.
func (r *rig) declaresPromises() error {
	if r.Held > 0 && r.declared.Held != int64(r.Held) {
		return fmt.Errorf("the model declares that it holds %d connections at once (%q), and its parameters say %d", r.declared.Held, r.declared.Name, r.Held)
	}
	if r.Open > 0 && r.declared.Open != int64(r.Open) {
		return fmt.Errorf("the model declares that it has %d connections open at once (%q), and its parameters say %d", r.declared.Open, r.declared.Name, r.Open)
	}
	if r.Work > 0 && r.declared.Work != int64(r.Work) {
		return fmt.Errorf("the model declares that it has %d requests at work at once (%q), and its parameters say %d", r.declared.Work, r.declared.Name, r.Work)
	}
	return nil
}

// fill has n clients each send half a head.
func (s *server) fill(n int) ([]*client, error) {
	fillers := make([]*client, 0, n)
	for range n {
		c, err := s.dial()
		if err != nil {
			return fillers, err
		}
		fillers = append(fillers, c)
		if err := c.send(half); err != nil {
			return fillers, err
		}
	}
	return fillers, nil
}

// finish has them send the other half, and read their answers.
func finish(fillers []*client) error {
	return parallel(len(fillers), len(fillers), func(i int) error {
		c := fillers[i]
		defer c.close()
		if err := c.send(otherHalf); err != nil {
			return err
		}
		if _, err := c.expect(http.StatusOK, 1); err != nil {
			return fmt.Errorf("the %dth of %d clients that came at once: %w", i+1, len(fillers), err)
		}
		return nil
	})
}

func closeAll(clients []*client) {
	for _, c := range clients {
		c.close()
	}
}

// places has as many requests as there are places at work at once.
func places(r *rig) error {
	n := r.held
	if r.work > 0 && (n == 0 || r.work < n) {
		n = r.work
	}
	switch {
	case n == 0:
		n = 100 // no limit: at least so many
	case n > mostPlaces:
		return notApplicable("there are too many places to fill")
	}
	s, err := r.start(r.patient())
	if err != nil {
		return err
	}
	defer s.abandon()
	clients := make([]*client, 0, n)
	defer func() { closeAll(clients) }()
	for range n {
		c, err := s.dial()
		if err != nil {
			return err
		}
		clients = append(clients, c)
		if err := c.send(get(1, "wait=60s")); err != nil {
			return err
		}
	}
	if err := s.awaitSeen(exchange.Working, n, fmt.Sprintf("%d requests to be at work at once", n)); err != nil {
		return fmt.Errorf("%d at work: %w", s.count(exchange.Working), err)
	}
	return nil
}

// rejects fills every place exactly; then everyone else is turned away, with
// all that they have sent unread.
func rejects(r *rig) error {
	switch {
	case !r.Rejects:
		return notApplicable("the model lets clients wait")
	case r.open > mostPlaces:
		return notApplicable("there are too many places to fill")
	}
	s, err := r.start(r.patient())
	if err != nil {
		return err
	}
	defer s.abandon()
	fillers, err := s.fill(r.open)
	defer closeAll(fillers)
	if err != nil {
		return err
	}
	if err := s.awaitSeen(exchange.Accepted, r.open, fmt.Sprintf("%d connections to be accepted", r.open)); err != nil {
		return err
	}

	const others = 20
	sent := request("POST / HTTP/1.1", "Host: test", "Content-Length: 102400") + strings.Repeat("x", 102_400)
	err = parallel(others, 4, func(i int) error {
		c, err := s.dial()
		if err != nil {
			return err
		}
		defer c.close()
		if i%2 == 0 {
			if err := c.send(sent); err != nil {
				return err
			}
		}
		a, err := c.answer(http.MethodPost)
		switch {
		case !errors.Is(err, errTurnedAway):
			return fmt.Errorf("instead of a 503: status %d, %w", a.status, err)
		case !a.closes:
			return errors.New("a 503 must say Connection: close")
		}
		return c.end()
	})
	if err != nil {
		return fmt.Errorf("a client that came while all of %d places were taken: %w", r.open, err)
	}
	if err := finish(fillers); err != nil {
		return fmt.Errorf("no more clients came than there are places, and one of them: %w", err)
	}
	if err := s.awaitSeen(exchange.Closed, r.open+others, "every connection to be closed"); err != nil {
		return err
	}
	if n := s.x.Stats().Rejected; n != others {
		return fmt.Errorf("%d clients were turned away, and %d are counted", others, n)
	}
	if err := s.everyPlace(); err != nil {
		return fmt.Errorf("after the full server was empty again: %w", err)
	}
	return nil
}

// counts compares the exchange's counts with those of clients and moments.
func counts(r *rig) error {
	s, err := r.start(r.patient())
	if err != nil {
		return err
	}
	defer s.abandon()
	n := r.room(4)
	lives := 10 * n
	answered := make([]int64, lives)
	err = parallel(lives, n, func(i int) error {
		return s.with(func(c *client) error {
			answered[i] = 0
			for range i%4 + 1 {
				if err := c.ask(10, ""); err != nil {
					return err
				}
				answered[i]++
			}
			if i%3 != 0 {
				return nil
			}
			if err := c.send("nonsense\r\n\r\n"); err != nil {
				return err
			}
			if _, err := c.expect(http.StatusBadRequest, -1); err != nil {
				return err
			}
			answered[i]++
			return c.end()
		})
	})
	if err != nil {
		return err
	}
	if err := s.awaitEmpty(); err != nil {
		return err
	}
	var requests int64
	for _, k := range answered {
		requests += k
	}
	st := s.x.Stats()
	var served int64
	for i, w := range st.Workers {
		served += w.Served
		if w.Holds != 0 {
			return fmt.Errorf("every connection is closed, and worker %d is said to hold number %d", i, w.Holds)
		}
	}
	for _, row := range []struct {
		what      string
		got, want int64
	}{
		{"connections accepted", st.Accepted, int64(s.count(exchange.Accepted))},
		{"connections held and turned away", int64(s.count(exchange.Held)) + st.Rejected, st.Accepted},
		{"connections turned away", st.Rejected, int64(s.count(exchange.TurnedAway))},
		{"connections open now", st.Open, 0},
		{"connections held now", st.Held, 0},
		{"requests at work now", st.AtWork, 0},
		{"requests answered", st.Requests, requests},
		{"panics", st.Panics, 0},
		{"timeouts", st.Timeouts, 0},
	} {
		if row.got != row.want {
			return fmt.Errorf("%s: %d are counted, and there were %d", row.what, row.got, row.want)
		}
	}
	for _, q := range st.Queues {
		if q.Now != 0 {
			return fmt.Errorf("every connection is closed, and in the queue %q there are %d", q.Name, q.Now)
		}
	}
	var taken int64
	for _, n := range st.Spread.Taken {
		taken += n
	}
	if st.Spread.Name != "" && taken != st.Accepted {
		return fmt.Errorf("the %s are said to have taken %d connections, and %d were accepted", st.Spread.Name, taken, st.Accepted)
	}
	if len(st.Workers) > 0 && served != int64(s.count(exchange.Held)) {
		return fmt.Errorf("workers are said to have served %d connections, and %d were held", served, s.count(exchange.Held))
	}
	if st.HeldPeak < 1 || st.OpenPeak < st.HeldPeak || st.HeldTime <= 0 {
		return fmt.Errorf("peaks of %d held and %d open, held for %v in all: after %d connections these can't be", st.HeldPeak, st.OpenPeak, st.HeldTime, st.Accepted)
	}
	return nil
}
