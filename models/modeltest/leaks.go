package modeltest

import (
	"fmt"
	"strings"
	"time"

	"go.uber.org/goleak"

	"workbench/models/exchange"
)

// leaks gives a server a full life three times over, stops it with clients in
// every state, and counts goroutines and descriptors afterwards.
func leaks(r *rig) error {
	descriptors, counted := openDescriptors()
	here := goleak.IgnoreCurrent()
	for range 3 {
		if err := r.fullLife(); err != nil {
			return err
		}
	}
	return r.nothingLeft(descriptors, counted, here)
}

// nothingLeft waits for what is on its way out, and fails if something stays.
func (r *rig) nothingLeft(descriptors int, counted bool, before goleak.Option) error {
	giveUp := time.NewTimer(min(r.Patience, 3*time.Second))
	defer giveUp.Stop()
	for {
		err := goleak.Find(before) // waits by itself, for less than a second
		now, _ := openDescriptors()
		if err == nil && (!counted || now <= descriptors) {
			return nil
		}
		select {
		case <-giveUp.C:
		default:
			continue
		}
		if err != nil {
			return fmt.Errorf("after Serve has returned, goroutines are left: %s", strings.TrimSpace(err.Error()))
		}
		return fmt.Errorf("after Serve has returned and every client is gone, %d descriptors are open, %d more than before", now, now-descriptors)
	}
}

// fullLife is a server from its start to its stop.
func (r *rig) fullLife() error {
	o := r.patient()
	o.Grace = r.Patience
	o.LingerTimeout = 50 * time.Millisecond // clients that were refused stay
	s, err := r.start(o)
	if err != nil {
		return err
	}
	defer s.abandon()
	if err := parallel(20, r.room(4), func(int) error { return s.ask(5000, "wait=100us") }); err != nil {
		return err
	}
	begins := []string{"", half, halfBody, get(10, ""), get(10, "wait=20ms"), get(100_000, ""), "nonsense\r\n\r\n"}
	var clients []*client
	defer func() { closeAll(clients) }()
	for i := range 5 * len(begins) {
		c, err := s.dial()
		if err != nil {
			return err
		}
		clients = append(clients, c)
		if err := c.send(begins[i%len(begins)]); err != nil && !r.Rejects { // else it may have been turned away
			return err
		}
		if i%5 == 0 {
			c.reset()
		}
	}
	if err := s.awaitSeen(exchange.Accepted, 21, "clients in every state to be accepted"); err != nil {
		return err
	}
	_, err = s.stop()
	return err
}
