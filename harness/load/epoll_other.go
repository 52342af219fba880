//go:build !linux

package load

import "errors"

const defaultEngine = "net"

func newEpollEngine() (Engine, error) {
	return nil, errors.New(`engine "epoll" is Linux only: want "net"`)
}
