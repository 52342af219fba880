// Package models holds the concurrency models: one file for each way of
// getting accepted connections read and answered.
//
// Its position: a model is scheduling and nothing else. The listener comes
// from [Listen], the same for all; reading, parsing, working, answering,
// timeouts and counting are the exchange's. What is left is who accepts, who
// holds a connection, and where connections wait, which is what the models
// differ in and what the bench compares.
//
// A model is named by a spec, NAME[:key=value,...], and listed in the
// [Catalogue]. To add one: write a file with a type that has Serve, add a line
// to the catalogue, and have modeltest.Run try it; workbench models new NAME
// begins all three.
package models

import (
	"context"
	"net"

	"workbench/models/exchange"
)

// A Server is one concurrency model: one way of getting accepted connections
// read and answered.
type Server interface {
	// Serve accepts connections from ln and holds the conversation x on each,
	// until ctx is done. Then it stops accepting, lets the requests already
	// read be answered within x's grace, closes every connection and returns
	// nil. Any other return is a fault of the model.
	//
	// Serve owns ln and closes it. It is called once.
	Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error
}
