// Package eventloop is what a single thread needs to look after thousands of
// connections by itself: readiness (Linux's epoll), timers, and the system
// calls of a socket. The event-driven models stand on it, and so do the clients
// that measure them.
//
// Its position: one thread, one loop, nothing in between. Go's own poller
// shares epoll between all goroutines, and each answer then costs a park and a
// wake-up in the scheduler; here the loop is the scheduler. So nothing is
// locked and nothing allocates once it is set up, and a system call that cannot
// block doesn't tell Go's scheduler that it might: that is a third of the
// difference between a loop in Go and one in C. Only a wait that really sleeps
// does, so that other goroutines get the processor meanwhile.
//
// What it refuses: callbacks, buffers, connections as objects, a portable
// layer. It says which descriptors are ready and which timers are due; what
// to do about it is the loop's, and reads from top to bottom there.
//
// A loop must keep to its thread (runtime.LockOSThread): the thread's CPU clock
// and timer slack are part of this package. Timers are plain data and exist on
// every system; all else is Linux.
package eventloop
