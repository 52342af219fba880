//go:build !linux

package models

// The models that need Linux are in the catalogue everywhere, so that their
// names are known; New refuses them before it comes to these.

func newReactor(Spec) Server     { return nil }
func newShards(Spec) Server      { return nil }
func newReactorPool(Spec) Server { return nil }
func newReactors(Spec) Server    { return nil }
func newStaged(Spec) Server      { return nil }
func newUring(Spec) Server       { return nil }

func uringAble() error { return nil }

func newPrefork(Spec) Server { return nil }

// beChild is never asked for: no model that runs here has child processes.
func beChild(string) (code int) { return 1 }
