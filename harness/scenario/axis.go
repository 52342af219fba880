package scenario

// An Axis is a value that a sweep varies, and which it has here.
type Axis struct {
	Key   string `json:"key"`   // of the sweep's file: "scenario", "clients", "rate", "wait", "server_cpus"
	Value string `json:"value"` // as the file has it
}
