package result

// For tests that read a record with packages that import this one.
var PlayedExperiment = experiment
