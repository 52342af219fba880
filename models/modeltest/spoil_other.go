//go:build !linux

package modeltest

import "net"

// spoiler returns a function that makes a listening socket fail, by closing it.
func spoiler(ln *net.TCPListener) (func() error, error) { return ln.Close, nil }
