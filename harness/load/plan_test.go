package load

import (
	"bufio"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"workbench/harness/scenario"
)

// A log is what a server was asked for, connection by connection.
type log struct {
	mu    sync.Mutex
	conns [][]string
}

func (l *log) serve(c *net.TCPConn) {
	var targets []string
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.conns = append(l.conns, targets)
	}()
	r := bufio.NewReader(c)
	for {
		h, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		targets = append(targets, h.URL.RequestURI())
		if _, err := c.Write(asked{work: true, close: h.Close}.answer()); err != nil {
			return
		}
	}
}

// planned is what a stream of the plan asks for first.
func planned(s scenario.Scenario, seed uint64, block, round, stream, n int) (targets []string) {
	plan := scenario.NewPlan(s, seed).Stream(block, round, stream)
	for range n {
		request := appendRequest(nil, "h", s.Conversation, plan.Next(), false)
		targets = append(targets, strings.Fields(string(request))[1])
	}
	return targets
}

// Every engine asks for what the plan says, in the plan's order, whoever the
// clients are: what two engines see of a server is seen under the same load.
// The waits of these plans are asked for and not done, so that they can be
// long, and no two alike.
func TestEveryEnginePlaysThePlan(t *testing.T) {
	const seed, block, round = 42, 3, 2
	job := func(addr string, s scenario.Scenario) Job {
		return Job{Addr: addr, Scenario: s, Seed: seed, Block: block, Round: round, Count: 150 * ms}
	}
	t.Run("closed, with a connection for each client", func(t *testing.T) {
		eachEngine(t, func(t *testing.T, e Engine) {
			s := closed(5, scenario.MaxRequestsPerConnection, "exp:10s", "")
			var log log
			addr, shut := listen(t, log.serve)
			l := play(t, e, job(addr, s))
			shut()
			if len(log.conns) != 5 || l.Connections != 5 {
				t.Fatalf("%d connections, %d by the clients' count, want one for each of 5 clients: %d starved, %d connected, errors %+v (%s)", len(log.conns), l.Connections, l.Starved, l.ClientsConnected, l.Errors, l.FirstError)
			}
			for client := range 5 {
				first := planned(s, seed, block, round, client, 1)[0]
				i := slices.IndexFunc(log.conns, func(c []string) bool { return len(c) > 0 && c[0] == first })
				if i < 0 {
					t.Errorf("client %d didn't ask for %s first", client, first)
					continue
				}
				if want := planned(s, seed, block, round, client, len(log.conns[i])); !slices.Equal(log.conns[i], want) {
					t.Errorf("client %d asked for %d things, and not those of the plan", client, len(want))
				}
			}
		})
	})
	t.Run("closed, with a connection for each three requests", func(t *testing.T) {
		eachEngine(t, func(t *testing.T, e Engine) {
			s := closed(1, 3, "exp:10s", "")
			var log log
			addr, shut := listen(t, log.serve)
			l := play(t, e, job(addr, s))
			shut()
			all := planned(s, seed, block, round, 0, int(l.PlanUsed)+3)
			for _, c := range log.conns { // which end, and so are logged, in no order
				found := false
				for i := 0; i+len(c) <= len(all) && len(c) <= 3; i += 3 {
					found = found || slices.Equal(c, all[i:i+len(c)])
				}
				if !found {
					t.Errorf("a connection asked for %v, which nowhere in the plan are three in a row", c)
				}
			}
		})
	})
	t.Run("open", func(t *testing.T) {
		eachEngine(t, func(t *testing.T, e Engine) {
			s := open(500, scenario.ArrivalsPoisson, "exp:10s")
			var log log
			addr, shut := listen(t, log.serve)
			l := play(t, e, job(addr, s))
			shut()
			// Each arrival that was sent is one of the plan's, asked for once; those
			// that the machine was too slow for are unfinished.
			yet := map[string]int{}
			for n := range l.Due {
				yet[planned(s, seed, block, round, int(n), 1)[0]]++
			}
			for _, c := range log.conns {
				if len(c) != 1 || yet[c[0]] == 0 {
					t.Errorf("a connection asked for %v, which isn't in the plan, or was asked for before", c)
					continue
				}
				yet[c[0]]--
			}
			if len(log.conns) != int(l.Sent) || l.Sent != l.PlanUsed || l.Sent < 10 {
				t.Errorf("%d connections, %d arrivals sent, %d requests of the plan used", len(log.conns), l.Sent, l.PlanUsed)
			}
		})
	})
	t.Run("partly open", func(t *testing.T) {
		eachEngine(t, func(t *testing.T, e Engine) {
			s := sessions(300, scenario.ArrivalsPoisson, 4, "exp:10s", "")
			var log log
			addr, shut := listen(t, log.serve)
			l := play(t, e, job(addr, s))
			shut()
			var want []string // whole sessions
			for n := range l.Due {
				want = append(want, strings.Join(planned(s, seed, block, round, int(n), 4), " "))
			}
			if len(log.conns) != int(l.Sent) || l.Sent < 10 {
				t.Errorf("%d sessions were seen, %d sent", len(log.conns), l.Sent)
			}
			for _, c := range log.conns {
				session := strings.Join(c, " ")
				i := slices.IndexFunc(want, func(w string) bool { return strings.HasPrefix(w, session) })
				if i < 0 {
					t.Errorf("a session asked for %s, which isn't in the plan, or was asked for before", session)
					continue
				}
				want = slices.Delete(want, i, i+1)
			}
		})
	})
	t.Run("a request of one's own", func(t *testing.T) {
		eachEngine(t, func(t *testing.T, e Engine) {
			var log log
			addr, shut := listen(t, log.serve)
			j := job(addr, closed(2, 2, "", ""))
			j.Request = []byte("GET /mine HTTP/1.1\nHost: {host}\n\n")
			l := play(t, e, j)
			shut()
			if l.Errors.Total() != 0 || l.RequestsAll == 0 || l.FirstError != "" {
				t.Errorf("%d right, errors %+v (%s)", l.RequestsAll, l.Errors, l.FirstError)
			}
			for _, c := range log.conns {
				for _, target := range c {
					if target != "/mine" {
						t.Errorf("asked for %s, want /mine", target)
					}
				}
			}
		})
	})
}
