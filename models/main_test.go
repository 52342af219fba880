package models_test

import (
	"os"
	"testing"

	"workbench/models"
)

// another is what a process that a test starts does in the place of tests.
var another = func() (be func() (code int)) { return nil }

func TestMain(m *testing.M) {
	if code, child := models.RunChild(); child {
		os.Exit(code)
	}
	if be := another(); be != nil {
		os.Exit(be())
	}
	// Child processes with the race detector in them take a second to exit, else.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
