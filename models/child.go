package models

import (
	"os"
	"sync/atomic"
)

// childVar is the environment variable that says of a process what model's
// child it is.
const childVar = "WORKBENCH_MODEL_CHILD"

// runsChildren says that this program would know a child.
var runsChildren atomic.Bool

// RunChild does the work of a child process that a model has started, and
// returns the code to exit with; where this process is no such child it returns
// at once. Models that consist of several processes start this program anew. So
// every program that runs models asks first thing in main, and in TestMain,
// before it looks at its arguments, environment or input.
func RunChild() (code int, child bool) {
	runsChildren.Store(true)
	model := os.Getenv(childVar)
	if model == "" {
		return 0, false
	}
	_ = os.Unsetenv(childVar) // what the child starts is no child of the model
	return beChild(model), true
}
