package modeltest

import (
	"fmt"
	"time"

	"workbench/models/exchange"
)

// A manner is a way in which a client keeps its place and doesn't get on.
type manner struct {
	is      string // "a client that …"
	begin   func(c *client) error
	goesOn  func(c *client) error // now and then; nil for silence
	timeout timeout               // that it runs into
	status  int                   // it is told when it loses its place; 0 for nothing
}

func sends(text string) func(c *client) error {
	return func(c *client) error { return c.send(text) }
}

var halfBody = request("POST / HTTP/1.1", "Host: test", "Content-Length: 10000") + "abc"

var silence = manner{is: "said nothing at all", begin: sends(""), timeout: headTimeout}

// silent are the manners of clients that begin something and then say nothing.
var silent = []manner{
	{is: "sent half a head", begin: sends(half), timeout: headTimeout, status: 408},
	silence,
	{is: "sent half a body", begin: sends(halfBody), timeout: bodyTimeout, status: 408},
	{is: "said nothing after its first answer", begin: func(c *client) error { return c.ask(1, "") }, timeout: idleTimeout},
}

// dribbling are those of clients that say a byte now and then.
var dribbling = []manner{
	{is: "dribbled its head", begin: sends("GET / HTTP/1.1\r\nHost: "), goesOn: sends("x"), timeout: headTimeout, status: 408},
	{is: "dribbled its body", begin: sends(halfBody), goesOn: sends("x"), timeout: bodyTimeout, status: 408},
	{is: "dribbled its second head", begin: func(c *client) error {
		if err := c.ask(1, ""); err != nil {
			return err
		}
		return c.send("GET / HTTP/1.1\r\nHost: ")
	}, goesOn: sends("x"), timeout: headTimeout, status: 408},
}

// deaf are those of clients that don't read their answer. It is far more than
// the sockets hold.
var deaf = []manner{
	{is: "read nothing of its answer", begin: asksMuch, timeout: writeTimeout},
	{is: "read a byte of its answer now and then", begin: asksMuch, goesOn: func(c *client) error {
		_, err := c.in.ReadByte()
		return err
	}, timeout: writeTimeout},
}

func asksMuch(c *client) error {
	if err := c.conn.SetReadBuffer(4 << 10); err != nil {
		return err
	}
	return c.send(get(exchange.MaxBytes, ""))
}

func silentClients(r *rig) error {
	manners := append(append([]manner(nil), silent...), dribbling...)
	return parallel(len(manners)+1, r.servers(len(manners)+1), func(i int) error {
		if i == len(manners) {
			return r.losesPlace(silence, exchange.Once)
		}
		return r.losesPlace(manners[i], exchange.HTTP)
	})
}

// losesPlace has a client behave in that manner, on a server of its own.
func (r *rig) losesPlace(m manner, conversation string) error {
	if !r.speaks(conversation) || r.excused(m.is) {
		return nil
	}
	o := r.hurried(m.timeout)
	o.Conversation = conversation
	o.LingerTimeout = time.Second // to read the answer in, for one who goes on sending
	s, err := r.start(o)
	if err != nil {
		return err
	}
	defer s.abandon()
	who := fmt.Sprintf("a client that %s (conversation %s)", m.is, conversation)
	// Whatever the server's clock begins with, it is not before this.
	begun := time.Now()
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.close()
	if err := m.begin(c); err != nil {
		return fmt.Errorf("%s: %w", who, err)
	}
	defer m.goOn(c)()
	end := c.end
	switch {
	case r.excused("telling a client that " + m.is):
		end = c.gone
	case m.status != 0:
		if _, err := c.expect(m.status, -1); err != nil {
			return fmt.Errorf("%s and should have been told %d: %w", who, m.status, err)
		}
	}
	if err := end(); err != nil {
		return fmt.Errorf("%s: %w", who, err)
	}
	took := time.Since(begun)
	if timeout := *m.timeout(&o); took < timeout {
		return fmt.Errorf("%s lost its place after %v, before its timeout of %v was over", who, took, timeout)
	}
	// Its end of the connection is still open, and it may be sending.
	if err := s.awaitSeen(exchange.Closed, 1, "the place of "+who+" to be free"); err != nil {
		return err
	}
	if n := s.x.Stats().Timeouts; n != 1 {
		return fmt.Errorf("%s, and %d timeouts are counted", who, n)
	}
	return nil
}

// goOn dribbles until what it returns is called.
func (m manner) goOn(c *client) (enough func()) {
	if m.goesOn == nil {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if m.goesOn(c) != nil {
					<-stop
					return
				}
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

func deafClients(r *rig) error {
	return parallel(len(deaf), len(deaf), func(i int) error {
		m, o := deaf[i], r.hurried(deaf[i].timeout)
		s, err := r.start(o)
		if err != nil {
			return err
		}
		defer s.abandon()
		begun := time.Now()
		c, err := s.dial()
		if err != nil {
			return err
		}
		defer c.close()
		if err := m.begin(c); err != nil {
			return fmt.Errorf("a client that %s: %w", m.is, err)
		}
		enough := m.goOn(c)
		err = s.awaitSeen(exchange.Closed, 1, "the place of a client that "+m.is+" to be free")
		enough()
		if err != nil {
			return err
		}
		if took := s.first(exchange.Closed, 0).Sub(begun); took < o.WriteTimeout {
			return fmt.Errorf("a client that %s lost its place after %v, before its timeout of %v was over", m.is, took, o.WriteTimeout)
		}
		if n := s.x.Stats().Timeouts; n != 1 {
			return fmt.Errorf("a client that %s, and %d timeouts are counted", m.is, n)
		}
		if s.count(exchange.Answered) != 0 {
			return fmt.Errorf("a client that %s, all %d bytes, and all was written", m.is, exchange.MaxBytes)
		}
		return nil
	})
}

// oneSlowClient has 49 others come while one client keeps its place: they must
// be answered while it still has it.
func oneSlowClient(r *rig) error {
	if r.held == 1 {
		return notApplicable("the model holds one connection at a time")
	}
	const others = 49
	o := r.patient()
	o.LingerTimeout = 50 * time.Millisecond
	timeout := r.Patience / 3 // time enough for the others
	o.HeadTimeout, o.BodyTimeout, o.IdleTimeout, o.WriteTimeout = timeout, timeout, timeout, timeout
	manners := append([]manner(nil), silent...)
	manners = append(manners, deaf[0])
	if r.work != 1 { // else everybody waits for the one worker
		manners = append(manners, manner{is: "asked for 30 s of work", begin: sends(get(1, "wait=30s"))})
	}
	for _, m := range manners {
		s, err := r.start(o)
		if err != nil {
			return err
		}
		defer s.abandon()
		slow, err := s.dial()
		if err != nil {
			return err
		}
		defer slow.close()
		if err := m.begin(slow); err != nil {
			return fmt.Errorf("a client that %s: %w", m.is, err)
		}
		if err := s.awaitSeen(exchange.Accepted, 1, "a client that "+m.is+" to be accepted"); err != nil {
			return err
		}
		came := time.Now()
		if err := parallel(others, others, func(int) error { return s.ask(100, "") }); err != nil {
			return fmt.Errorf("a client that %s held up others: %w", m.is, err)
		}
		answered := time.Now()
		if lost := s.first(exchange.Closed, 1); !lost.IsZero() && lost.Before(answered) {
			return fmt.Errorf("a client that %s held up %d others for %.1f s", m.is, others, answered.Sub(came).Seconds())
		}
	}
	return nil
}

// slowClients has as many clients as there are places keep them all: others
// must be answered when the slow ones have lost their place.
func slowClients(r *rig) error {
	manners := append(append([]manner(nil), silent...), deaf[0])
	return parallel(len(manners)+1, r.servers(len(manners)+1), func(i int) error {
		if i == len(manners) {
			return r.keepEveryPlace(silence, exchange.Once)
		}
		return r.keepEveryPlace(manners[i], exchange.HTTP)
	})
}

func (r *rig) keepEveryPlace(m manner, conversation string) error {
	if !r.speaks(conversation) || r.excused(m.is) {
		return nil
	}
	const others = 10
	o := r.hurried(m.timeout)
	o.Conversation = conversation
	s, err := r.start(o)
	if err != nil {
		return err
	}
	defer s.abandon()
	n := r.room(32)
	slow := make([]*client, n)
	err = parallel(n, n, func(i int) (err error) {
		if slow[i], err = s.dial(); err != nil {
			return err
		}
		return m.begin(slow[i])
	})
	defer func() {
		for _, c := range slow {
			if c != nil {
				c.close()
			}
		}
	}()
	if err != nil {
		return fmt.Errorf("%d clients that %s: %w", n, m.is, err)
	}
	if err := s.awaitSeen(exchange.Held, n, fmt.Sprintf("%d clients that %s to be held", n, m.is)); err != nil {
		return err
	}
	came := time.Now()
	err = parallel(others, others, func(int) error {
		for {
			err := s.with(func(c *client) error {
				if conversation == exchange.Once {
					return c.onlyOnce("\r\n")
				}
				return c.ask(100, "", "Connection: close")
			})
			// On a busy machine it may be too slow itself, and comes again.
			if err == nil || time.Since(came) > r.Patience {
				return err
			}
		}
	})
	if err != nil {
		return fmt.Errorf("%d clients that %s held up the others for %v (conversation %s): %w", n, m.is, since(came), conversation, err)
	}
	return nil
}
