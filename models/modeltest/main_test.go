package modeltest

import (
	"os"
	"testing"

	"workbench/models"
)

func TestMain(m *testing.M) {
	if code, child := models.RunChild(); child {
		os.Exit(code)
	}
	// Child processes with the race detector in them take a second to exit, else.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
