package modeltest

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"workbench/models/exchange"
)

// resets has clients go away without a goodbye.
func resets(r *rig) error {
	ways := []struct {
		is    string
		begin func(c *client) error
	}{
		{"at once", sends("")},
		{"in the middle of its head", sends(half)},
		{"in the middle of its body", sends(halfBody)},
		{"in the middle of its answer", func(c *client) error {
			if err := c.send(get(exchange.MaxBytes, "")); err != nil {
				return err
			}
			_, err := io.CopyN(io.Discard, c.in, 64<<10)
			return err
		}},
		{"while its request is at work", sends(get(100_000, "wait=5ms"))},
		{"after its answer", func(c *client) error { return c.ask(1, "") }},
	}
	for _, o := range [...]exchange.Options{r.patient(), inOnce(r.patient())} {
		if !r.speaks(o.Conversation) {
			continue
		}
		s, err := r.start(o)
		if err != nil {
			return err
		}
		defer s.abandon()
		these := ways
		if o.Conversation == exchange.Once {
			these = these[:2]
		}
		n := r.room(32)
		err = parallel(2*max(n, len(these)), n, func(i int) error {
			way := these[i%len(these)]
			return s.with(func(c *client) error {
				defer c.reset()
				if err := way.begin(c); err != nil && !r.Rejects { // else it may have been turned away
					return fmt.Errorf("before a client reset its connection %s: %w", way.is, err)
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
		if o.Conversation == exchange.HTTP {
			if err := s.everyPlace(); err != nil {
				return fmt.Errorf("after resets: %w", err)
			}
		}
		if err := s.awaitEmpty(); err != nil {
			return fmt.Errorf("after resets: %w", err)
		}
		if n := s.x.Stats().Panics; n != 0 {
			return fmt.Errorf("resets made %d panics", n)
		}
	}
	return nil
}

// everyPlace fails unless as many clients as there are places can be held at
// once.
func (s *server) everyPlace() error {
	n := s.room(32)
	held := make([]*client, 0, n)
	defer func() {
		for _, c := range held {
			c.close()
		}
	}()
	for i := range n {
		c, err := s.kept()
		if err != nil {
			return fmt.Errorf("with %d clients held, of %d that there is room for, one more: %w", i, n, err)
		}
		held = append(held, c)
	}
	for _, c := range held {
		if err := c.ask(1, ""); err != nil {
			return fmt.Errorf("with %d clients held, one of them: %w", n, err)
		}
	}
	return nil
}

// panics has the work of many requests panic.
func panics(r *rig) error {
	const cursed = 666
	s, err := r.start(r.patient(), func(m exchange.Moment) {
		if m.Event == exchange.Working && m.Work.Bytes == cursed {
			panic("the work panics, as it was asked to")
		}
	})
	if err != nil {
		return err
	}
	defer s.abandon()
	n := r.room(32)
	var bystander *client
	if n > 1 {
		n--
		if bystander, err = s.kept(); err != nil {
			return err
		}
		defer bystander.close()
	}
	many := 2 * (n + 1)
	err = parallel(many, n, func(int) error {
		return s.with(func(c *client) error {
			if err := c.send(get(cursed, "wait=1us")); err != nil {
				return err
			}
			a, err := c.expect(http.StatusInternalServerError, -1)
			switch {
			case err != nil:
				return err
			case !a.closes:
				return errors.New("the answer must say Connection: close")
			}
			return c.end()
		})
	})
	if err != nil {
		return fmt.Errorf("a request whose work panicked: %w", err)
	}
	if bystander != nil {
		if err := bystander.ask(5, "wait=1us"); err != nil {
			return fmt.Errorf("after %d panics, on a connection that was open all the time: %w", many, err)
		}
		bystander.close()
	}
	if err := s.everyPlace(); err != nil {
		return fmt.Errorf("after %d panics: %w", many, err)
	}
	if got := s.x.Stats().Panics; got != int64(many) {
		return fmt.Errorf("%d requests panicked, and %d panics are counted", many, got)
	}
	return nil
}
