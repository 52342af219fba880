package load

import (
	"net"
	"time"

	"workbench/harness/scenario"
)

// An Answer is what came back of one request.
type Answer struct {
	Status  int           // 0 where nothing came that is an answer
	Length  int64         // bytes of the body
	Service time.Duration // at work, as the server says; below 0: it doesn't say
	Last    bool          // the server closes the connection
	Took    time.Duration // from before the request was sent until the answer was there
}

// Ask sends a request of j's on a connection, the one that r asks for or j's
// own, and reads its answer by the rules of a slice: what is wrong there is an
// error here. It is for a look at a server before it is measured. It lasts until
// the connection's deadline at most.
func (j Job) Ask(nc net.Conn, r scenario.Request) (Answer, error) {
	request := j.fixedRequest(j.Addr)
	if request == nil {
		request = appendRequest(nil, j.Addr, j.Scenario.Conversation, r, false)
	}
	rules, buffer := newJudge(j), make([]byte, smallBuffer)
	var answer reader
	answer.begin(&rules, r)
	begin := time.Now()
	if _, err := nc.Write(request); err != nil {
		return Answer{Service: -1}, err
	}
	for {
		n, err := nc.Read(buffer)
		done, _, wrong := answer.feed(&rules, buffer[:n])
		if !done {
			if err == nil {
				continue
			}
			_, wrong = answer.end(&rules, err)
		}
		return Answer{
			Status: answer.head.status, Length: answer.got, Service: answer.took,
			Last: answer.last, Took: time.Since(begin),
		}, wrong
	}
}
