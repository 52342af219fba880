//go:build !unix

package main

import "io"

// width is the number of columns of the terminal behind w; here every output
// is taken for a file.
func width(io.Writer) int { return 0 }
