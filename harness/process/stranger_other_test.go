//go:build !linux

package process

// strangerVar is of tests of servers that are not ours, on Linux.
const strangerVar = "WORKBENCH_TEST_STRANGER"

func beStranger(string, []string) (code int) { return 1 }
