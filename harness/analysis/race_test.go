//go:build race

package analysis

// A race detector makes everything ten times slower, and looks for nothing that
// more repetitions would show: these are fewer, and the bars are the same.
const (
	fewer    = 10
	shuffles = 50
)
