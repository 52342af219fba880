//go:build !race

package analysis

const (
	fewer    = 1
	shuffles = allShuffles
)
