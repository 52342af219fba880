//go:build !unix

package exchange

import "errors"

// readsRaw says that a connection can be read, and written, by its descriptor.
const readsRaw = false

func readDescriptor(uintptr, []byte) (n int, again bool, err error) {
	return 0, false, errors.ErrUnsupported
}

func writeDescriptor(uintptr, []byte) (n int, again bool, err error) {
	return 0, false, errors.ErrUnsupported
}
