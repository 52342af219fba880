package models_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"workbench/models"
	"workbench/models/modeltest"
)

// An exception is a check, or a row of one, that a server which isn't ours is
// excused from, since its library promises something else.
type exception struct {
	check, row string // row is empty for all of the check
	why        string
	sometimes  bool // it may pass all the same, by luck
}

func (e exception) key() string {
	if e.row == "" {
		return e.check
	}
	return e.check + ": " + e.row
}

// Names of checks.
const (
	halfClose = "half-close"
	keepAlive = "keep-alive and close"
	malformed = "malformed and oversized input"
	lost      = "no answer is lost to a reset"
	silent    = "silent clients lose their place"
	stop      = "stop answers what was read"
)

// exceptions holds those of each reference.
var exceptions = map[string][]exception{
	"nethttp": {
		{check: malformed, row: "a folded header", why: "it unfolds them"},
		{check: malformed, row: "a length and chunks", why: prefersChunks},
		{check: malformed, row: "a body of over 1 MiB, in chunks", why: "it counts bytes as they come, and doesn't look at a chunk's size before"},
		{check: malformed, row: "a head of over 16 KiB", why: nethttpReadBefore},
		{check: malformed, row: "a head of over 16 KiB without an end", why: nethttpReadBefore},
		{check: lost, row: "a head of 200 KiB", why: nethttpResets},
		{check: lost, row: "200 KiB that are no request", why: nethttpResets},
		{check: silent, row: "telling a client that sent half a head", why: nethttpIsSilent},
		{check: silent, row: "telling a client that dribbled its head", why: nethttpIsSilent},
		{check: silent, row: "telling a client that dribbled its second head", why: nethttpIsSilent},
		{check: silent, row: "telling a client that dribbled its body", why: nethttpResets, sometimes: true},
		{check: stop, row: "three requests sent at once", why: stopsBehind},
	},
	"fasthttp": {
		{check: keepAlive, row: "HTTP/1.1 with Connection: TE, Close", why: "it doesn't look for close in a list"},
		{check: keepAlive, row: "HTTP/1.1 with Connection: keep-alive, close", why: "it doesn't look for close in a list"},
		{check: malformed, row: "a folded header", why: "it unfolds them"},
		{check: malformed, row: "a length and chunks", why: prefersChunks},
		{check: malformed, row: "a transfer coding that isn't known", why: "it refuses it with 400"},
		{check: malformed, row: "a head of over 16 KiB", why: fasthttpResets},
		{check: malformed, row: "a head of over 16 KiB without an end", why: fasthttpResets},
		{check: lost, why: fasthttpResets},
		{check: silent, row: "telling a client that said nothing at all", why: "it sends 408 to clients that have asked for nothing, too"},
		{check: silent, row: "telling a client that dribbled its head", why: fasthttpResets, sometimes: true},
		{check: silent, row: "telling a client that dribbled its body", why: fasthttpResets, sometimes: true},
		{check: silent, row: "telling a client that dribbled its second head", why: fasthttpResets, sometimes: true},
		{check: stop, row: "three requests sent at once", why: stopsBehind},
	},
	"netpoll": {
		{check: halfClose, row: "after one request", why: netpollHangsUp, sometimes: true},
		{check: halfClose, row: "while its request is at work", why: netpollHangsUp},
		{check: halfClose, row: "after three requests at once", why: netpollHangsUp},
		{check: halfClose, row: "in the middle of its second request", why: netpollHangsUp},
		{check: halfClose, row: "in the middle of its head", why: netpollHangsUp},
		{check: halfClose, row: "in the middle of its body", why: netpollHangsUp},
	},
}

const (
	prefersChunks     = "it takes the chunks, and drops the length, which RFC 9112, 6.3, allows"
	stopsBehind       = "a stop answers the request at work, and not what was read behind it"
	nethttpReadBefore = "its bound is of what it reads: up to 4 KiB of a kept connection's next head were read before"
	nethttpResets     = "it half-closes, waits half a second, and closes with what is unread"
	nethttpIsSilent   = "it closes a connection whose head takes too long without a word"
	fasthttpResets    = "it closes with what is unread, so that whoever sends on is reset"
	netpollHangsUp    = "it takes an end of file for the end of the connection"
)

// excused are a model's exceptions, as the suite wants them.
func excused(model string) map[string]string {
	list := map[string]string{}
	for _, e := range exceptions[model] {
		list[e.key()] = e.why
	}
	return list
}

// An exception that is needed no more hides what may break again.
func TestExceptionsAreNeeded(t *testing.T) {
	checks := map[string]modeltest.Check{}
	for _, c := range modeltest.Checks() {
		checks[c.Name] = c
	}
	for model, list := range exceptions {
		if m, ok := models.Find(model); !ok || !m.Reference {
			t.Errorf("exceptions for %s, which is no reference", model)
			continue
		}
		subject, err := modeltest.Of(model)
		if err != nil {
			t.Log(err) // not on this system
			continue
		}
		subject.Patience = 2 * time.Second // a failure is what is expected
		for _, e := range list {
			t.Run(model+"/"+e.key(), func(t *testing.T) {
				c, ok := checks[e.check]
				if !ok {
					t.Fatal("no such check")
				}
				s := subject
				s.Excused = maps.Clone(excused(model))
				delete(s.Excused, e.key())
				for range 3 { // one that fails half the time may pass once
					err := c.Try(t.Context(), s)
					if _, failed := errors.AsType[*modeltest.Failure](err); failed {
						return
					}
				}
				if !e.sometimes {
					t.Error("the check is passed without this exception")
				}
			})
		}
	}
}
