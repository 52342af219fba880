//go:build !unix

package process

// DescriptorLimit is how many descriptors a process here may have open; 0
// where there is no telling.
func DescriptorLimit() uint64 { return 0 }
