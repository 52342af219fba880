//go:build !linux

package load

import "syscall"

// spreadsSources: other systems have 127.0.0.1 alone, unless told otherwise.
const spreadsSources = false

func bindNoPort(_, _ string, _ syscall.RawConn) error { return nil }
