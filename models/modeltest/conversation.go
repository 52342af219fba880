package modeltest

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"workbench/models/exchange"
)

func answers(r *rig) error {
	s, err := r.start(r.patient())
	if err != nil {
		return err
	}
	defer s.abandon()
	lengths := []int64{0, 1, 14, 3999, 4096, 5000, 57344, 57345, 1 << 20, 2}
	n := r.room(4)
	return parallel(n, n, func(i int) error {
		return s.with(func(c *client) error {
			for _, n := range lengths {
				if err := c.ask(n, ""); err != nil {
					return fmt.Errorf("asked for %d bytes, among other lengths on one connection: %w", n, err)
				}
			}
			if i == 0 {
				if err := c.ask(exchange.MaxBytes, ""); err != nil {
					return fmt.Errorf("asked for %d bytes: %w", exchange.MaxBytes, err)
				}
			}
			for _, work := range []string{"wait=5ms", "spin=20us", "wait=1ms&spin=20us"} {
				if err := answersWork(c, work); err != nil {
					return fmt.Errorf("asked for %s: %w", work, err)
				}
			}
			if err := answersHead(c); err != nil {
				return fmt.Errorf("asked with HEAD: %w", err)
			}
			if err := answersContinue(c); err != nil {
				return fmt.Errorf("asked by a client that expects 100 Continue: %w", err)
			}
			// What is wrong with a length shows in what comes next.
			if err := c.ask(7, "", "Connection: close"); err != nil {
				return fmt.Errorf("asked to close after all these: %w", err)
			}
			return c.end()
		})
	})
}

func answersWork(c *client, work string) error {
	if err := c.send(get(100, work)); err != nil {
		return err
	}
	a, err := c.expect(http.StatusOK, 100)
	if err != nil {
		return err
	}
	took, err := strconv.Atoi(a.header.Get("X-Service-Us"))
	if err != nil {
		return fmt.Errorf("X-Service-Us is %q, not the µs that the work took", a.header.Get("X-Service-Us"))
	}
	if strings.HasPrefix(work, "wait=5ms") && took < 5000 {
		return fmt.Errorf("X-Service-Us says that it took %d µs", took)
	}
	return nil
}

func answersHead(c *client) error {
	if err := c.send(request("HEAD /?bytes=1000 HTTP/1.1", "Host: test")); err != nil {
		return err
	}
	a, err := c.answer(http.MethodHead)
	switch length := a.header.Get("Content-Length"); {
	case err != nil:
		return err
	case a.status != http.StatusOK || length != "1000":
		return fmt.Errorf("status %d, Content-Length %q, not 200 and that of the body that GET would get", a.status, length)
	}
	return nil
}

func answersContinue(c *client) error {
	if err := c.send(request("POST /?bytes=3 HTTP/1.1", "Host: test", "Content-Length: 5", "Expect: 100-continue")); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusContinue {
		return fmt.Errorf("status %d before the body was sent", resp.StatusCode)
	}
	if err := c.send("hello"); err != nil {
		return err
	}
	_, err = c.expect(http.StatusOK, 3)
	return err
}

func pieces(r *rig) error {
	s, err := r.start(r.patient())
	if err != nil {
		return err
	}
	defer s.abandon()
	c, err := s.kept()
	if err != nil {
		return err
	}
	defer c.close()
	s.mu.Lock()
	sent := s.read
	s.mu.Unlock()

	// deliver sends a piece, and waits until it was read on its own.
	deliver := func(piece string) error {
		if err := c.send(piece); err != nil {
			return err
		}
		sent += int64(len(piece))
		return s.await(fmt.Sprintf("the %d bytes sent so far to be read", sent), func(w *watch) bool { return w.read >= sent })
	}
	posts := []string{
		request("POST /?bytes=7 HTTP/1.1", "Host: test", "Content-Length: 6") + "abc\r\n\n",
		request("POST /?bytes=7 HTTP/1.1", "Host: test", "Transfer-Encoding: chunked") + "3\r\nabc\r\n02;x=y\r\nde\r\n0\r\nT: v\r\n\r\n",
	}
	for _, post := range posts {
		for cut := 1; cut < len(post); cut++ {
			for _, piece := range []string{post[:cut], post[cut:]} {
				if err := deliver(piece); err != nil {
					return fmt.Errorf("a request cut after byte %d: %w", cut, err)
				}
			}
			if _, err := c.expect(http.StatusOK, 7); err != nil {
				return fmt.Errorf("a request cut after byte %d: %w", cut, err)
			}
		}
		for i := range len(post) {
			if err := deliver(post[i : i+1]); err != nil {
				return fmt.Errorf("a request sent byte by byte, at byte %d: %w", i+1, err)
			}
		}
		if _, err := c.expect(http.StatusOK, 7); err != nil {
			return fmt.Errorf("a request sent byte by byte: %w", err)
		}
	}
	return nil
}

func pipelined(r *rig) error {
	s, err := r.start(r.patient())
	if err != nil {
		return err
	}
	defer s.abandon()
	const many = 100
	var all strings.Builder
	for i := range int64(many) {
		switch i % 4 {
		case 0:
			all.WriteString(get(i, "wait=200us"))
		case 1:
			all.WriteString(request(fmt.Sprintf("POST /?bytes=%d HTTP/1.1", i), "Host: test", "Content-Length: 20") + "GET / HTTP/1.1\r\n\r\n\r\n")
		case 2:
			all.WriteString("\r\n") // an empty line before a request is ignored
			all.WriteString(get(i, ""))
		default:
			all.WriteString(get(i*i, ""))
		}
	}
	all.WriteString(get(many, "", "Connection: close"))
	n := r.room(4)
	return parallel(n, n, func(int) error {
		return s.with(func(c *client) error {
			if err := c.send(all.String()); err != nil {
				return err
			}
			for i := range int64(many + 1) {
				want := i
				if i%4 == 3 {
					want = i * i
				}
				if _, err := c.expect(http.StatusOK, want); err != nil {
					return fmt.Errorf("the answer to request %d of %d sent at once: %w", i+1, many+1, err)
				}
			}
			return c.end()
		})
	})
}

func keepAlive(r *rig) error {
	s, err := r.start(r.patient())
	if err != nil {
		return err
	}
	defer s.abandon()
	for _, row := range []struct {
		version, connection string
		kept                bool
	}{
		{"HTTP/1.1", "", true},
		{"HTTP/1.1", "keep-alive", true},
		{"HTTP/1.1", "close", false},
		{"HTTP/1.1", "TE, Close", false},
		{"HTTP/1.1", "keep-alive, close", false},
		{"HTTP/1.0", "", false},
		{"HTTP/1.0", "close", false},
		{"HTTP/1.0", "Keep-Alive", true},
	} {
		asked := request("GET /?bytes=5 "+row.version, "Host: test", "Connection: "+row.connection)
		if row.connection == "" {
			asked = request("GET /?bytes=5 "+row.version, "Host: test")
		}
		if r.excused(row.version + " with Connection: " + row.connection) {
			continue
		}
		err := s.with(func(c *client) error {
			for i := range 3 {
				if err := c.send(asked); err != nil {
					return fmt.Errorf("request %d: %w", i+1, err)
				}
				a, err := c.expect(http.StatusOK, 5)
				switch {
				case err != nil:
					return fmt.Errorf("request %d: %w", i+1, err)
				case !row.kept && !a.closes:
					return errors.New("the answer doesn't say Connection: close")
				case !row.kept:
					return c.end()
				case a.closes:
					return errors.New("the answer says Connection: close")
				case row.version == "HTTP/1.0" && !strings.EqualFold(a.header.Get("Connection"), "keep-alive"):
					return errors.New("the answer doesn't say Connection: keep-alive")
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s with Connection: %q: %w", row.version, row.connection, err)
		}
	}
	return nil
}

func halfClose(r *rig) error {
	s, err := r.start(r.patient())
	if err != nil {
		return err
	}
	defer s.abandon()
	for _, row := range []struct {
		is, sent string
		statuses []int
	}{
		{"after one request", get(3000, ""), []int{200}},
		{"while its request is at work", get(3, "wait=30ms"), []int{200}},
		{"after three requests at once", get(10, "wait=5ms") + get(20, "") + get(100_000, ""), []int{200, 200, 200}},
		{"in the middle of its second request", get(1, "") + half, []int{200, 400}},
		{"in the middle of its head", half, []int{400}},
		{"in the middle of its body", request("POST / HTTP/1.1", "Host: test", "Content-Length: 10") + "abc", []int{400}},
		{"without a request", "", nil},
	} {
		if r.excused(row.is) {
			continue
		}
		err := s.with(func(c *client) error {
			if err := c.send(row.sent); err != nil {
				return err
			}
			if err := c.conn.CloseWrite(); err != nil {
				return err
			}
			for i, status := range row.statuses {
				if _, err := c.expect(status, -1); err != nil {
					return fmt.Errorf("answer %d of %d: %w", i+1, len(row.statuses), err)
				}
			}
			return c.end()
		})
		if err != nil {
			return fmt.Errorf("a client that half-closed %s: %w", row.is, err)
		}
	}
	return nil
}

func once(r *rig) error {
	if why := r.Unable[exchange.Once]; why != "" {
		return notApplicable("the model can't: " + why)
	}
	s, err := r.start(inOnce(r.patient()))
	if err != nil {
		return err
	}
	defer s.abandon()
	for _, row := range []struct{ is, sent string }{
		{"a request", get(1, "")},
		{"a line end, as from telnet", "\r\n"},
		{"one byte", "x"},
		{"bytes that are no request", "\x00\xff\x16\x03\x01"},
		{"just as much as is read", strings.Repeat("y", exchange.OnceRead)},
		{"more than is read", strings.Repeat("z", 4*exchange.OnceRead)},
	} {
		if err := s.with(func(c *client) error { return c.onlyOnce(row.sent) }); err != nil {
			return fmt.Errorf("in the conversation once, %s: %w", row.is, err)
		}
	}
	return nil
}

// onlyOnce has the conversation "once".
func (c *client) onlyOnce(sent string) error {
	if err := c.send(sent); err != nil {
		return err
	}
	if _, err := c.expect(http.StatusOK, int64(len("Hello, World!"))); err != nil {
		return err
	}
	return c.end()
}

func refusals(r *rig) error {
	s, err := r.start(r.patient())
	if err != nil {
		return err
	}
	defer s.abandon()
	post := func(headers ...string) string {
		return request("POST / HTTP/1.1", append([]string{"Host: test"}, headers...)...)
	}
	rows := []struct {
		is, sent string
		status   int
	}{
		{"no request at all", "hello\r\n\r\n", 400},
		{"a version that is none", request("GET / HTTP/one", "Host: test"), 400},
		{"another protocol's greeting", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		{"a request without a host", request("GET / HTTP/1.1"), 400},
		{"a header without a colon", request("GET / HTTP/1.1", "Host: test", "what"), 400},
		{"a folded header", request("GET / HTTP/1.1", "Host: test", "A: b", " c"), 400},
		{"a control character in a header", request("GET / HTTP/1.1", "Host: test", "A: \x00"), 400},
		{"a length that is no number", post("Content-Length: -1"), 400},
		{"two lengths", post("Content-Length: 1", "Content-Length: 2"), 400},
		{"a length and chunks", post("Content-Length: 1", "Transfer-Encoding: chunked"), 400},
		{"a transfer coding that isn't known", post("Transfer-Encoding: gzip"), 501},
		{"a chunk whose size is no number", post("Transfer-Encoding: chunked") + "x\r\n", 400},
		{"a body of over 1 MiB, declared", post("Content-Length: 1048577"), 413},
		{"a body of over 1 MiB, in chunks", post("Transfer-Encoding: chunked") + "100001\r\n", 413},
		{"a head of over 16 KiB", request("GET / HTTP/1.1", "Host: test", "A: "+strings.Repeat("a", exchange.MaxHead)), 431},
		{"a head of over 16 KiB without an end", "GET / HTTP/1.1\r\nA: " + strings.Repeat("a", exchange.MaxHead), 431},
		{"more work than may be asked for", get(1, "wait=61s"), 400},
		{"a larger answer than may be asked for", get(exchange.MaxBytes+1, ""), 400},
	}
	err = parallel(2*len(rows), r.room(8), func(i int) error {
		row := rows[i/2]
		if r.excused(row.is) {
			return nil
		}
		err := s.with(func(c *client) error {
			if i%2 == 1 { // not the first request of its connection
				if err := c.ask(1, ""); err != nil {
					return err
				}
			}
			if err := c.send(row.sent); err != nil {
				return err
			}
			a, err := c.expect(row.status, -1)
			switch {
			case err != nil:
				return err
			case !a.closes:
				return errors.New("the answer must say Connection: close")
			}
			return c.end()
		})
		if err != nil {
			return fmt.Errorf("%s: %w", row.is, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.ask(1, ""); err != nil {
		return fmt.Errorf("a good request after all the bad ones: %w", err)
	}
	return nil
}

// lostAnswers has clients send far more than is read before the refusal, and
// only then look for the answer.
func lostAnswers(r *rig) error {
	const rounds = 20 // a loser may be lucky now and then
	many := strings.Repeat(strings.Repeat("x", 1022)+"\r\n", 200)
	chunk := "1000\r\n" + strings.Repeat("x", 0x1000) + "\r\n"
	rows := []struct {
		is, conversation, sent string
		status                 int
	}{
		{"a head of 200 KiB", exchange.HTTP, "GET / HTTP/1.1\r\nHost: test\r\nA: " + many + "\r\n", 431},
		{"200 KiB of a body that was declared too long", exchange.HTTP, request("POST / HTTP/1.1", "Host: test", "Content-Length: 2000000") + many, 413},
		{"a chunked body of over 1 MiB", exchange.HTTP,
			request("POST / HTTP/1.1", "Host: test", "Transfer-Encoding: chunked") + strings.Repeat(chunk, 300) + "0\r\n\r\n", 413},
		{"200 KiB that are no request", exchange.HTTP, "\x16\x03\x01\r\n\r\n" + many, 400},
		{"200 KiB in the conversation once", exchange.Once, many, 200},
	}
	for _, conversation := range []string{exchange.HTTP, exchange.Once} {
		if !r.speaks(conversation) {
			continue
		}
		o := r.patient()
		o.Conversation = conversation
		s, err := r.start(o)
		if err != nil {
			return err
		}
		defer s.abandon()
		for _, row := range rows {
			if row.conversation != conversation || r.excused(row.is) {
				continue
			}
			err := parallel(rounds, r.room(4), func(int) error {
				return s.with(func(c *client) error {
					if err := c.send(row.sent); err != nil {
						return err
					}
					if _, err := c.expect(row.status, -1); err != nil {
						return err
					}
					return c.end()
				})
			})
			if err != nil {
				return fmt.Errorf("a client that sent %s and then looked for its %d: %w", row.is, row.status, err)
			}
		}
	}
	return nil
}

// thousand opens 1,000 connections from 50 clients, each asking for a length
// of its own.
func thousand(r *rig) error {
	const clients, each = 50, 20
	for _, o := range [...]exchange.Options{r.patient(), inOnce(r.patient())} {
		if !r.speaks(o.Conversation) {
			continue
		}
		s, err := r.start(o)
		if err != nil {
			return err
		}
		defer s.abandon()
		var turnedAway [clients]int
		err = parallel(clients, clients, func(i int) error {
			for k := range each {
				nth := int64(i*each + k)
				err := s.one(nth*7, o.Conversation)
				if r.Rejects && errors.Is(err, errTurnedAway) {
					turnedAway[i]++
				} else if err != nil {
					return fmt.Errorf("connection %d of client %d, of %d clients in the conversation %s: %w", k+1, i+1, clients, o.Conversation, err)
				}
			}
			return nil
		})
		if err != nil {
			return s.explain(err)
		}
		if err := s.awaitEmpty(); err != nil {
			return err
		}
		var rejected int64
		for _, n := range turnedAway {
			rejected += int64(n)
		}
		switch st := s.x.Stats(); {
		case st.Accepted != clients*each:
			return fmt.Errorf("of %d connections %d were accepted", clients*each, st.Accepted)
		case st.Rejected != rejected:
			return fmt.Errorf("%d clients were turned away, and %d are counted", rejected, st.Rejected)
		case rejected == clients*each:
			return fmt.Errorf("all of %d connections were turned away", clients*each)
		}
	}
	return nil
}

// one asks for n bytes on a connection of its own, without trying again.
func (s *server) one(n int64, conversation string) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.close()
	if conversation == exchange.Once {
		return c.onlyOnce(get(n, ""))
	}
	if err := c.ask(n, "", "Connection: close"); err != nil {
		return err
	}
	return c.end()
}
