package eventloop

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below are the system's own, on non-blocking sockets. None can
// block, so none tells Go's scheduler; they return the bare error number, which
// costs nothing to make. A number that is an error of a connection becomes
// words where it is counted, once.

// An Address is where a socket connects to, or is bound, as the kernel reads
// it.
type Address struct {
	raw  [unix.SizeofSockaddrInet6]byte
	size uint32
}

// AddressOf makes an address of IPv4 or IPv6. Zones of IPv6 addresses are not
// known here; loopback has none.
func AddressOf(ap netip.AddrPort) (a Address) {
	binary.BigEndian.PutUint16(a.raw[2:], ap.Port())
	ip := ap.Addr().Unmap()
	if ip.Is4() {
		binary.NativeEndian.PutUint16(a.raw[:], unix.AF_INET)
		b := ip.As4()
		copy(a.raw[4:], b[:])
		a.size = unix.SizeofSockaddrInet4
		return a
	}
	binary.NativeEndian.PutUint16(a.raw[:], unix.AF_INET6)
	b := ip.As16()
	copy(a.raw[8:], b[:])
	a.size = unix.SizeofSockaddrInet6
	return a
}

func (a *Address) family() uintptr { return uintptr(binary.NativeEndian.Uint16(a.raw[:])) }

// Socket makes a non-blocking TCP socket for connections to a.
func Socket(a *Address) (fd int, errno unix.Errno) {
	r, _, errno := unix.RawSyscall(unix.SYS_SOCKET, a.family(), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	return int(r), errno
}

// Connect begins to connect. EINPROGRESS is how it goes well. On loopback the
// handshake is then over all the same, since the kernel plays both sides of it
// before it returns: sending at once works, and says EAGAIN where it isn't so.
func Connect(fd int, a *Address) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(a)), uintptr(a.size))
	return errno
}

// Bind gives a socket its own address.
func Bind(fd int, a *Address) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(a)), uintptr(a.size))
	return errno
}

// Send sends what there is room for; EAGAIN where there is none, or no
// connection yet. b must not be empty.
func Send(fd int, b []byte) (n int, errno unix.Errno) {
	r, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	return int(r), errno
}

// Recv receives what there is; 0 is the end, EAGAIN that there is nothing
// yet. b must not be empty.
func Recv(fd int, b []byte) (n int, errno unix.Errno) {
	r, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
	return int(r), errno
}

// Close closes a descriptor: a connection with FIN, if all was read.
func Close(fd int) {
	// Linux frees the descriptor whatever it returns.
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// SetNoDelay has the socket send every piece at once (TCP_NODELAY). Who sends a
// request in one piece, and then waits, doesn't need it.
func SetNoDelay(fd int) unix.Errno { return setOption(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY) }

// SetBindAddressNoPort has bind choose no port yet. Connect then does, knowing
// the destination, and any port serves that isn't in use towards that one: else
// all sockets of one address would share 28,232 ports whatever they connect to.
func SetBindAddressNoPort(fd int) unix.Errno {
	return setOption(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT)
}

func setOption(fd, level, option int) unix.Errno {
	on := int32(1)
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option), uintptr(unsafe.Pointer(&on)), 4, 0)
	return errno
}

// Accept takes a connection from a listening socket, non-blocking and not to be
// inherited; EAGAIN where none waits. What else the socket is set to it has from
// the listener.
func Accept(listener int) (fd int, errno unix.Errno) {
	r, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(r), errno
}

// SendParts sends several pieces of memory as one, as far as there is room;
// EAGAIN where there is none. It takes up to MostParts of them, none empty.
func SendParts(fd int, parts [][]byte) (n int, errno unix.Errno) {
	if len(parts) == 1 {
		return Send(fd, parts[0])
	}
	var vectors [MostParts]unix.Iovec
	for i, p := range parts {
		vectors[i].Base = &p[0]
		vectors[i].SetLen(len(p))
	}
	message := unix.Msghdr{Iov: &vectors[0]}
	message.SetIovlen(len(parts))
	r, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&message)), unix.MSG_NOSIGNAL)
	return int(r), errno
}

// MostParts is how many pieces SendParts takes.
const MostParts = 64

// HalfClose says that nothing more will be sent (FIN), and goes on receiving.
func HalfClose(fd int) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	return errno
}
