package load

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"workbench/models/eventloop"
)

// Sources are the addresses that connections come from. One address has 28,232
// ports for connections to one server, and connect gets slow long before they
// run out: it looks for a free one. Towards a server on 127.0.0.0/8 there are
// more addresses: each has its share of the connections that are open at once,
// and where one has run out the next takes over. Most slices never have so
// many, and don't pay for it.
type sources struct {
	spread      bool
	share       int // connections from one address, of this loop
	mine, loops int
	skip        int // addresses that have run out
}

// mostSkipped bounds the addresses that are tried for one connection.
const mostSkipped = 16

func newSources(p *loopedSlice, mine, loops int) sources {
	return sources{spread: p.local, share: max(1, perSource/loops), mine: mine, loops: loops}
}

// connect begins a connection, of which so many are open already.
func (s *sources) connect(to *eventloop.Address, open int) (fd int, errno unix.Errno) {
	for range mostSkipped {
		if fd, errno = eventloop.Socket(to); errno != 0 {
			return -1, errno
		}
		if n := s.skip + open/s.share; s.spread && n > 0 {
			from := s.address(n)
			if eventloop.SetBindAddressNoPort(fd) == 0 { // else the kernel's choice is as good
				errno = eventloop.Bind(fd, &from)
			}
		}
		if errno == 0 {
			errno = eventloop.Connect(fd, to)
		}
		if errno == 0 || errno == unix.EINPROGRESS {
			return fd, 0
		}
		eventloop.Close(fd)
		if errno != unix.EADDRNOTAVAIL || !s.spread {
			break
		}
		s.skip++
	}
	return -1, errno
}

// address is the n-th of this loop's addresses, from 1. Loops share
// 127.0.0.1, the kernel's own choice, and have all others to themselves.
func (s *sources) address(n int) eventloop.Address {
	var ip [4]byte
	binary.BigEndian.PutUint32(ip[:], 127<<24+uint32(2+(n-1)*s.loops+s.mine))
	return eventloop.AddressOf(netip.AddrPortFrom(netip.AddrFrom4(ip), 0))
}
