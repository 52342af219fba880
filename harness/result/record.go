// Package result is the record of a measurement: its types, and how they are
// written to disk and read back.
//
// Its position: raw data first. A [Slice] holds what one look at one server
// saw, histograms included, and is on disk before the next look begins;
// everything else in a record (cells, comparisons, tables, answers) is made
// from slices and can be made again. Names of keys are promises: people's
// scripts read them. Units are part of a name: _us is microseconds, _bytes
// bytes, _per_s per second; shares and utilisations are fractions of 1.
package result

import (
	"time"

	"workbench/harness/scenario"
)

// Schemas name the layout of a file; a reader refuses one it doesn't know.
const (
	RunSchema   = "workbench/run/v1"
	SliceSchema = "workbench/slice/v1"
)

// A Run is run.json: what was asked, where it ran, and what came out.
type Run struct {
	Schema      string       `json:"schema"`
	Name        string       `json:"name"`    // "tour", or the experiments' names
	Command     string       `json:"command"` // the command that does it again
	Started     time.Time    `json:"started"`
	Seed        uint64       `json:"seed"`
	Quick       bool         `json:"quick"`
	Engine      string       `json:"engine"` // of the clients: "net"
	Environment Environment  `json:"environment"`
	StoppedBy   string       `json:"stopped_by"` // of the experiment that was last; "" where it was cut short
	Warnings    []string     `json:"warnings"`
	Experiments []Experiment `json:"experiments"`

	// Of a sweep.
	Questions   []string      `json:"questions,omitempty"`   // of each grid, what it asks, in words
	Expected    [][]string    `json:"expected,omitempty"`    // of each grid, what was expected of it: see scenario.ParseExpectation
	Resumed     []Resumption  `json:"resumed,omitempty"`     // times that it was taken up again
	Scalability []Scalability `json:"scalability,omitempty"` // of each model over a sweep's clients

	NotNumbers []string `json:"not_numbers,omitempty"` // figures that came out as NaN or infinite, for which JSON has no word: null above, or 0; a fault of ours
}

// A Resumption is a time at which a sweep went on that had been cut short.
type Resumption struct {
	At      time.Time `json:"at"`
	Differs []string  `json:"differs"` // what of the environment had changed by then, in words
}

// Scalability is a fit of the universal scalability law to a model's
// throughput over numbers of clients, γN/(1+σ(N−1)+κN(N−1)), with intervals
// from a bootstrap over blocks. Where there is none, Why says so.
type Scalability struct {
	Grid       int             `json:"grid"`
	Label      string          `json:"label"`
	Where      []scenario.Axis `json:"where"`   // the grid's other axes
	Clients    []int           `json:"clients"` // that the fit is over
	Gamma      *Interval       `json:"gamma"`   // requests/s of one client alone
	Sigma      *Interval       `json:"sigma"`   // contention
	Kappa      *Interval       `json:"kappa"`   // coherency: what each pays for all others
	PeakAt     *Interval       `json:"peak_at"` // N* = √((1−σ)/κ); null where no peak is in sight
	Confidence float64         `json:"confidence"`
	Why        string          `json:"why,omitempty"`
}

// An Interval is an estimate and the ends of its interval of confidence.
type Interval struct {
	Estimate float64 `json:"estimate"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
}

// Environment is the machine and the build that the figures belong to.
type Environment struct {
	OS                string  `json:"os"`
	Arch              string  `json:"arch"`
	Kernel            string  `json:"kernel"`
	CPUModel          string  `json:"cpu_model"`
	CPUs              int     `json:"cpus"`
	GoVersion         string  `json:"go_version"`
	GOMAXPROCS        int     `json:"gomaxprocs"` // of a server
	GOGC              string  `json:"gogc"`
	Revision          string  `json:"revision"`
	Dirty             bool    `json:"dirty"`
	DescriptorLimit   uint64  `json:"descriptor_limit"`
	Somaxconn         int     `json:"somaxconn"`
	Backlog           int     `json:"backlog"` // as declared for every listener
	PortRange         string  `json:"port_range"`
	TCPTWReuse        string  `json:"tcp_tw_reuse"`
	CongestionControl string  `json:"congestion_control"`
	ServerCPUs        string  `json:"server_cpus"` // affinity, as a list: "0" or "0-3"; "" where not pinned
	LoadCPUs          string  `json:"load_cpus"`
	SpinPerUs         float64 `json:"spin_per_us"` // calibration: iterations of the spin loop in a microsecond
	StealUs           int64   `json:"steal_us"`    // time stolen by the host from first to last slice, all CPUs
}

// An Experiment is one scenario over some models. What is asked for is known
// before it starts; what it showed is made from its slices, and can be made
// again.
type Experiment struct {
	Name           string            `json:"name"`     // unique in the run, names its file under slices/
	Scenario       string            `json:"scenario"` // a name of the catalogue, or "custom"
	Load           scenario.Scenario `json:"load"`     // the scenario, whole
	Flags          string            `json:"flags"`    // the load as flags of run
	Clients        int               `json:"clients"`
	Rate           float64           `json:"rate"`                     // open loops: arrivals/s
	CapacityPerS   float64           `json:"capacity_per_s,omitempty"` // what the reference was seen to answer at most, where the rate is a multiple of it
	Loop           string            `json:"loop"`
	PlanDigest     string            `json:"plan_digest"`
	Reference      string            `json:"reference"`      // label; "" when a model ran alone
	Grid           int               `json:"grid,omitempty"` // of a sweep, from 0
	Axes           []scenario.Axis   `json:"axes,omitempty"` // where in the grid it lies
	ServerCPUs     string            `json:"server_cpus"`    // affinity, as a list: "0" or "0-3"; "" where not pinned
	LoadCPUs       string            `json:"load_cpus"`
	BudgetS        float64           `json:"budget_s"`
	Precision      float64           `json:"precision"`              // half-width at which the ranked intervals are narrow enough
	BlocksAsked    int               `json:"blocks_asked,omitempty"` // at most so many restarts; 0 for as many as the budget holds
	RoundsPerBlock int               `json:"rounds_per_block"`       // as planned
	Entries        []Entry           `json:"entries"`

	Started   time.Time `json:"started"`
	DurationS float64   `json:"duration_s"`
	StoppedBy string    `json:"stopped_by"` // "precision", "budget", "interrupt" or "failure"; "" while it is under way, and where it was cut short
	Failures  []Failure `json:"failures"`   // servers that failed in the middle, and took no further part

	// Made from the slices.
	Blocks        int          `json:"blocks"`          // completed restarts
	Rounds        int          `json:"rounds"`          // completed rounds
	RoundsLeftOut int          `json:"rounds_left_out"` // of these, left out of comparisons since the host or other processes interfered
	Suspect       bool         `json:"suspect"`         // the twin differs from the reference: no verdict here is to be believed, so none is given
	Warnings      []string     `json:"warnings"`
	Cells         []Cell       `json:"cells"`
	Comparisons   []Comparison `json:"comparisons"`
}

// A Failure is a server that did not start, exited, hung or never became idle.
type Failure struct {
	Label  string `json:"label"`
	Reason string `json:"reason"`
}

// An Entry is one server that takes part in an experiment, in the order asked for.
type Entry struct {
	Label   string `json:"label"`   // unique: "pool", "goroutine#2"
	Model   string `json:"model"`   // the spec, whole: "pool:workers=16,queue=0,when-full=wait"
	Display string `json:"display"` // the spec as a table shows it: "pool:workers=16"
	Twin    bool   `json:"twin"`
	Unable  string `json:"unable,omitempty"` // why it can't take part in the experiment's scenario, by its nature or on this system

	// A server that is not ours.
	Command   string     `json:"command,omitempty"`   // as a shell reads it; "{port}" stands for its port
	Attach    string     `json:"attach,omitempty"`    // host:port of one that runs already
	PID       int        `json:"pid,omitempty"`       // of that one, 0 where nobody said
	CPUs      string     `json:"cpus,omitempty"`      // that this process may use, as a list
	Abilities *Abilities `json:"abilities,omitempty"` // what a probe saw it do
}

// Foreign reports whether the entry is a server that is not ours.
func (e Entry) Foreign() bool { return e.Command != "" || e.Attach != "" }

// Abilities are what a probe saw a server do of what the conversation asks for.
type Abilities struct {
	Status    int   `json:"status"`       // of its answer to a request that asks for no work
	Length    int64 `json:"length"`       // of that answer's body, bytes; -1 where two answers differed
	KeepAlive bool  `json:"keep_alive"`   // it answers a second request on a connection
	Waits     bool  `json:"waits"`        // it takes as long as it is asked to
	WaitedUs  int64 `json:"waited_us"`    // what an answer took that was asked to wait
	AskedUs   int64 `json:"asked_us"`     // for so long
	Spins     bool  `json:"spins"`        // it burns CPU as asked to
	Bytes     bool  `json:"bytes"`        // its answers are as long as asked for
	Service   bool  `json:"x_service_us"` // it says how long its work took
}

// A Cell is what was seen of one entry in one experiment. A figure that was
// not measured, or of which too few requests were seen, is null.
type Cell struct {
	Label                 string       `json:"label"`
	Model                 string       `json:"model"`
	Display               string       `json:"display"`
	Twin                  bool         `json:"twin"`
	Slices                int          `json:"slices"`
	Requests              int64        `json:"requests"`  // answered rightly, in counted windows
	PlanUsed              int64        `json:"plan_used"` // requests drawn from the plan, settling and draining included
	Errors                Errors       `json:"errors"`
	Stale                 int64        `json:"stale"`
	Unfinished            int64        `json:"unfinished"`
	Starved               int64        `json:"starved"` // most clients in any slice that finished nothing
	ThroughputPerS        *Spread      `json:"throughput_per_s"`
	LatencyUs             *Percentiles `json:"latency_us"`
	FirstByteUs           *Percentiles `json:"first_byte_us"`
	ConnectUs             *Percentiles `json:"connect_us"`
	ServiceUs             *Percentiles `json:"service_us"` // as the server reports it; null where no work was asked for
	WaitedUs              *Percentiles `json:"waited_us"`  // latency less service, request by request
	ServerCPUUsPerRequest *Spread      `json:"server_cpu_us_per_request"`
	ClientCPUUsPerRequest *Spread      `json:"client_cpu_us_per_request"`
	ServerCPUUtilisation  *Spread      `json:"server_cpu_utilisation"`
	ClientCPUUtilisation  *Spread      `json:"client_cpu_utilisation"`
	LimitUtilisation      *Spread      `json:"limit_utilisation"` // share of the model's limit that was taken; null without a limit
	RSSPeakBytes          int64        `json:"rss_peak_bytes"`
	HeldPeak              int64        `json:"held_peak"`
	WaitingPeak           int64        `json:"waiting_peak"` // accepted and not held by anybody yet
	Rejected              int64        `json:"rejected"`     // connections answered 503, by the server's count

	AtWorkPeak int64            `json:"at_work_peak,omitempty"` // requests at work at once, of a model that bounds them
	Queues     map[string]int64 `json:"queues,omitempty"`       // the most that each queue inside of the model held, by its name
	Spread     *Imbalance       `json:"spread,omitempty"`       // of a model whose parts each have connections of their own

	Due                       int64        `json:"due"`                       // open loops: requests (partly open: sessions) that were due in counted windows; of an open loop latency_us.n of them were answered rightly, draining included
	IntendedPerS              *Spread      `json:"intended_per_s"`            // open loops: requests (partly open: sessions) that were due
	AchievedPerS              *Spread      `json:"achieved_per_s"`            // open loops: of these, sent before the window's end
	SendLatenessUs            *Percentiles `json:"send_lateness_us"`          // open loops: actual send less intended send
	CeilingPerS               *float64     `json:"ceiling_per_s"`             // the least of N/(Z+S) (closed loops), limit/S and what arrives (open loops): no server can answer more; null where there is no such bound
	CeilingReached            *float64     `json:"ceiling_reached"`           // throughput as a fraction of it
	BytesPerHeldConnection    *Spread      `json:"bytes_per_held_connection"` // growth of resident memory over held connections, by restarts
	HeldAsked                 int64        `json:"held_asked"`                // connections that were to be held, in one restart
	HeldAnswered              int64        `json:"held_answered"`             // the fewest of these, in any restart, that were answered and held
	HeldLost                  int64        `json:"held_lost"`                 // of those, not answered again at the end, all restarts together
	HeldAnsweredAgain         int64        `json:"held_answered_again"`       // of those, answered once more at the end, all restarts together
	GoodputSeries             *Series      `json:"goodput_series"`            // loads that vary: one cycle, all slices together
	Unable                    string       `json:"unable,omitempty"`          // why it can't take part in this scenario, in words
	GoroutinesPeak            int64        `json:"goroutines_peak"`
	ThreadsPeak               int64        `json:"threads_peak"`
	ContextSwitchesPerRequest *Spread      `json:"context_switches_per_request"`
	GCCPUFraction             *Spread      `json:"gc_cpu_fraction"`
	LittlesLawResidual        *Spread      `json:"littles_law_residual"`
	Limit                     *Limit       `json:"limit"`
	BoundBy                   string       `json:"bound_by"`     // "host", "server", "clients", "limit", "load", or "" where nothing was measured, or where what would tell was not seen
	BoundByWhy                string       `json:"bound_by_why"` // in words: "16 of 16 workers busy"
	Valid                     bool         `json:"valid"`
	Warnings                  []string     `json:"warnings"`
}

// Spread is a figure as the slices saw it.
type Spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	N      int     `json:"n"`
}

// Percentiles of a merged histogram, in microseconds. A percentile that the
// number of requests can't carry is null (see stats.MinSamples). So is one that
// lies among requests whose time isn't known but would have been longer: where
// more than 1 % had no answer, the 99th percentile of the answered is that of
// nothing that was asked for.
type Percentiles struct {
	N    int64    `json:"n"`    // requests that the rest is of: answered rightly
	Mean float64  `json:"mean"` // exact, not from the histogram's buckets
	P50  *float64 `json:"p50"`
	P90  *float64 `json:"p90"`
	P99  *float64 `json:"p99"`
	P999 *float64 `json:"p99_9"`
	Max  float64  `json:"max"`

	// Shares of the requests that would be among N but for what cut them short:
	// no whole answer within the client's timeout, hung up on, never sent, or
	// under way for longer than a slice. Who was refused, reset or turned away
	// has an end, and isn't.
	Censored float64 `json:"censored,omitempty"`
	TimedOut float64 `json:"timed_out,omitempty"` // by the client's timeout: these are known to have taken longer than it
}

// A Comparison says how a model stands to the reference in one metric. All
// intervals of an experiment's ranked metrics hold together with 95 %
// confidence (Bonferroni); verdicts are read off them, so that the two never
// contradict.
type Comparison struct {
	Metric         string   `json:"metric"`               // "server_cpu_us_per_request" and "throughput_per_s" are ranked; "latency_us.p50" and "latency_us.p99" have verdicts at 99.9 % each, or more
	Reference      string   `json:"reference"`            // label
	Model          string   `json:"model"`                // label
	Ratio          Ratio    `json:"ratio"`                // model over reference: exp of the mean over blocks, and its interval
	Confidence     float64  `json:"confidence"`           // of this interval by itself, a fraction of 1
	AllRounds      *Ratio   `json:"all_rounds,omitempty"` // the same with all rounds, where some were left out
	Seen           Seen     `json:"seen"`                 // what single rounds showed (of latencies: blocks)
	Verdict        string   `json:"verdict"`              // "more" or "less": the interval excludes 1; "same": it holds 1, no difference found; "large": more than 2 × either way in the pilot and three rounds, so it left the others; "none": there may be no verdict
	Why            string   `json:"why,omitempty"`        // there is none, in words
	Resolution     *float64 `json:"resolution"`           // half-width of the interval, as a share: 0.03 is 3 %; null without an interval
	SignedRankP    *float64 `json:"signed_rank_p"`        // of Wilcoxon's test on the same block means; a cross-check
	Group          string   `json:"group"`                // letters: models that share one can't be told apart in this metric, all pairs considered; "" where there are none
	ReferenceGroup string   `json:"reference_group"`      // those of the reference
}

// Verdicts of a comparison.
const (
	VerdictMore  = "more"
	VerdictLess  = "less"
	VerdictSame  = "same"
	VerdictLarge = "large"
	VerdictNone  = "none"
)

// Metrics that are compared.
const (
	MetricServerCPU  = "server_cpu_us_per_request"
	MetricThroughput = "throughput_per_s"
	MetricP50        = "latency_us.p50"
	MetricP99        = "latency_us.p99"
)

// Ratio is an estimate of model over reference and its interval, whose ends
// are null where there are too few blocks for one (two), or a round in which
// the model answered nothing.
type Ratio struct {
	Estimate float64  `json:"estimate"`
	Low      *float64 `json:"low"`
	High     *float64 `json:"high"`
	Blocks   int      `json:"blocks"`
}

// Seen is the median of single ratios, and the lowest and highest of them.
type Seen struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	N      int     `json:"n"`
}

// Errors counts requests that failed, by how. None of them is throughput.
type Errors struct {
	Refused     int64 `json:"refused"`      // the connection was refused
	Reset       int64 `json:"reset"`        // the connection was reset, in connect or later
	Timeout     int64 `json:"timeout"`      // no whole answer within the client's timeout
	Rejected    int64 `json:"rejected"`     // answered 503
	Truncated   int64 `json:"truncated"`    // the answer ended before its end
	BadResponse int64 `json:"bad_response"` // wrong status, length or body
	Other       int64 `json:"other"`
}

// Total is the number of failed requests of every kind.
func (e Errors) Total() int64 {
	return e.Refused + e.Reset + e.Timeout + e.Rejected + e.Truncated + e.BadResponse + e.Other
}

// Add counts the failures of o too.
func (e *Errors) Add(o Errors) {
	e.Refused += o.Refused
	e.Reset += o.Reset
	e.Timeout += o.Timeout
	e.Rejected += o.Rejected
	e.Truncated += o.Truncated
	e.BadResponse += o.BadResponse
	e.Other += o.Other
}

// Limit is a bound that a model declares on what it does at once.
type Limit struct {
	Name string `json:"name"` // what is limited: "workers", "goroutines", "one at a time"
	Size int64  `json:"size"`
	Of   string `json:"of,omitempty"` // "requests" that are at work, or "" for connections that are held
}

// OfRequests is what a limit is of where connections are not bounded.
const OfRequests = "requests"

// Requests reports whether the limit is of requests at work: a connection that
// waits for its next one takes no place then.
func (l Limit) Requests() bool { return l.Of == OfRequests }

// Shares are connections as they came out spread over parts of a model that
// don't help each other, such as listeners of their own.
type Shares struct {
	Name  string  `json:"name"`  // of the parts, in the plural: "shards", "loops"
	Taken []int64 `json:"taken"` // connections that each took
}

// Imbalance is how unevenly connections came out spread over a model's parts.
type Imbalance struct {
	Name      string  `json:"name"`      // of the parts, in the plural
	Parts     int     `json:"parts"`     // how many there are
	Imbalance *Spread `json:"imbalance"` // what the busiest part took, as a multiple of an even share: from 1, to Parts where one took all
}

// Phases of an experiment that slices belong to.
const (
	PhaseCapacity = "capacity" // of the reference, before the pilot, where the rate is a multiple of it
	PhasePilot    = "pilot"
	PhaseHold     = "hold"    // connections were opened, to be held for the rest of the block
	PhaseRelease  = "release" // and answered once more, and closed
	PhaseWarm     = "warm-up" // first look of a fresh process; kept, never compared
	PhaseRound    = "round"
)

// A Slice is one look at one server: settle, count, drain. It is one line of
// a file under slices/.
type Slice struct {
	Schema     string    `json:"schema"`
	Experiment string    `json:"experiment"`
	Phase      string    `json:"phase"`
	Block      int       `json:"block"` // from 0
	Round      int       `json:"round"` // from 0 over the whole experiment
	Place      int       `json:"place"` // in the round's order, from 0
	Label      string    `json:"label"`
	Started    time.Time `json:"started"`
	SettleUs   int64     `json:"settle_us"`         // asked for
	CountUs    int64     `json:"count_us"`          // asked for
	HungUp     bool      `json:"hung_up,omitempty"` // the clients didn't collect what was outstanding at the end, since the server was ended next: what is per request counts in the window alone
	Load       *Load     `json:"load,omitempty"`
	Server     *Server   `json:"server,omitempty"`
	Host       Host      `json:"host"`
	Held       *Held     `json:"held,omitempty"`     // of phases hold and release
	BoundBy    string    `json:"bound_by,omitempty"` // what kept this slice from more requests/s, as in a cell
	Unable     string    `json:"unable,omitempty"`   // why the server can't take part in this scenario, in words
	Failed     string    `json:"failed,omitempty"`   // why there are no figures
	NotNumbers []string  `json:"not_numbers,omitempty"`
}

// Held is what became of connections that are answered once and then held,
// silent, while others are active.
type Held struct {
	Asked          int64  `json:"asked"`
	Connected      int64  `json:"connected"`
	Answered       int64  `json:"answered"` // hold: rightly, and so held; release: rightly once more
	Lost           int64  `json:"lost"`     // release: of those held, not answered once more
	TookUs         int64  `json:"took_us"`
	RSSBeforeBytes int64  `json:"rss_before_bytes"` // hold: of the server; 0 where unknown
	RSSAfterBytes  int64  `json:"rss_after_bytes"`
	FirstError     string `json:"first_error,omitempty"`
}

// Series is a load that varies, bin by bin from the beginning of a cycle.
// Every bin counts the requests whose intended send lay in it.
type Series struct {
	BinUs    int64   `json:"bin_us"`
	Cycles   int64   `json:"cycles,omitempty"` // of a cell: that a slice had at most; with several, what one leaves undone falls into the beginning of the next
	Intended []int64 `json:"intended"`         // requests that were due
	Answered []int64 `json:"answered"`         // of these, rightly and within the client's timeout: goodput
	Failed   []int64 `json:"failed"`           // of these, by then
	Done     []int64 `json:"done"`             // right answers that came in the bin, whenever they were due
}

// Load is what the clients saw of a slice. "Window" is the counted part of a
// slice; "all" is from idle to idle: settling and draining included.
type Load struct {
	WindowUs         float64    `json:"window_us"` // as long as it really was
	Clients          int        `json:"clients"`
	Requests         int64      `json:"requests"`           // answered rightly, completed in the window
	RequestsAll      int64      `json:"requests_all"`       // answered rightly, from idle to idle
	PlanUsed         int64      `json:"plan_used"`          // requests drawn from the plan
	Connections      int64      `json:"connections"`        // established, from idle to idle; less than ConnectionsAsked by those that failed to connect
	Errors           Errors     `json:"errors"`             // from idle to idle
	ConnectionsAsked int64      `json:"connections_asked"`  // connects that were begun, idle to idle
	ClientsConnected int64      `json:"clients_connected"`  // closed loop: clients that had a connection at all
	Due              int64      `json:"due"`                // open loops: requests (partly open: sessions) whose intended send lay in the window
	Sent             int64      `json:"sent"`               // open loops: of these, sent at all before the window ended
	Delayed          int64      `json:"delayed"`            // open loops: of those due in the window, waited in the client because as many connections were open as may be
	DelayedUnsent    int64      `json:"delayed_unsent"`     // of these, never sent before the window ended: no part of Sent
	Lateness         *Histogram `json:"lateness,omitempty"` // open loops: actual send less intended, of those due in the window
	Series           *Series    `json:"series,omitempty"`   // loads that vary
	Stale            int64      `json:"stale"`              // reused connections that had been closed by the server; the request was sent again
	Unfinished       int64      `json:"unfinished"`         // in flight when the window ended
	Starved          int64      `json:"starved"`            // clients that finished nothing in settling and window
	Latency          *Histogram `json:"latency"`            // whole request, its connect included where it made one
	FirstByte        *Histogram `json:"first_byte"`
	Connect          *Histogram `json:"connect"`
	Service          *Histogram `json:"service"` // as reported by the server; empty where no work was asked for
	Waited           *Histogram `json:"waited"`
	LittleResidual   float64    `json:"littles_law_residual"` // the larger of two: the share of client-time in the window outside any recorded connect, request or think (closed loops), and the difference of RecordedUs from InFlightUs
	InFlightUs       float64    `json:"in_flight_us"`         // requests under way, integrated over the window by a counter that knows no latencies
	RecordedUs       float64    `json:"recorded_us"`          // the same from the recorded requests: the part of each that lies in the window
	CPUUs            float64    `json:"cpu_us"`               // of the clients' process, idle to idle
	WindowCPUUs      float64    `json:"window_cpu_us"`
	WindowSpunUs     float64    `json:"window_spun_us"`        // of that, spent waiting for the next send without sleeping: idle, really
	SpunUs           float64    `json:"spun_us"`               // the same of CPUUs
	WindowCPUWallUs  float64    `json:"window_cpu_wall_us"`    // the time that WindowCPUUs was taken over
	CPUs             int        `json:"cpus"`                  // that the clients may use
	HistogramDropped int64      `json:"histogram_dropped"`     // values that the histograms could not hold
	FirstError       string     `json:"first_error,omitempty"` // in words, for the user
}

// Server is what a server's process reports of a slice.
type Server struct {
	CPUUs           float64 `json:"cpu_us"` // idle to idle
	WindowCPUUs     float64 `json:"window_cpu_us"`
	WindowCPUWallUs float64 `json:"window_cpu_wall_us"`
	WindowHeldUs    float64 `json:"window_held_us"` // sum over connections of the time they were held within WindowCPUWallUs
	CPUs            int     `json:"cpus"`
	GOMAXPROCS      int     `json:"gomaxprocs"`
	RSSPeakBytes    int64   `json:"rss_peak_bytes"`      // of the process so far
	Processes       int64   `json:"processes,omitempty"` // of a server that is not ours, or that has children, its descendants included
	Threads         int64   `json:"threads"`
	Goroutines      int64   `json:"goroutines"`       // the most of four looks: at the beginning, at both ends of the window, and at the end
	ContextSwitches int64   `json:"context_switches"` // idle to idle
	GCCPUUs         float64 `json:"gc_cpu_us"`        // idle to idle, estimated by the runtime
	Accepted        int64   `json:"accepted"`         // idle to idle, as are the rest
	Requests        int64   `json:"requests"`
	HeldPeak        int64   `json:"held_peak"`
	WaitingPeak     int64   `json:"waiting_peak"`
	Rejected        int64   `json:"rejected"`
	Panics          int64   `json:"panics"`
	AcceptBackoffs  int64   `json:"accept_backoffs"` // times that descriptors had run out
	Limit           *Limit  `json:"limit,omitempty"`

	WindowAtWorkUs float64          `json:"window_at_work_us,omitempty"` // of a limit of requests: sum over these of the time that they were at work within WindowCPUWallUs
	AtWorkPeak     int64            `json:"at_work_peak,omitempty"`      // and the most at once
	Queues         map[string]int64 `json:"queues,omitempty"`            // the most in each queue inside of the model, by its name
	Spread         *Shares          `json:"spread,omitempty"`
}

// LimitPeak is the most of what the server's limit is of: connections that it
// held at once, or requests that were at work.
func (v Server) LimitPeak() int64 { return limitPeak(v.Limit, v.HeldPeak, v.AtWorkPeak) }

// LimitPeak is the same of all slices.
func (c Cell) LimitPeak() int64 { return limitPeak(c.Limit, c.HeldPeak, c.AtWorkPeak) }

func limitPeak(l *Limit, held, atWork int64) int64 {
	if l != nil && l.Requests() {
		return atWork
	}
	return held
}

// Host is what the machine did to a slice, all CPUs together.
type Host struct {
	WallUs         int64 `json:"wall_us"` // between the two looks that these are the difference of
	StealUs        int64 `json:"steal_us"`
	OtherCPUUs     int64 `json:"other_cpu_us"` // of processes that are neither server nor clients, on the CPUs of either; ticks of 10 ms
	ListenOverflow int64 `json:"listen_overflows"`
	ListenDrops    int64 `json:"listen_drops"`
	Retransmits    int64 `json:"retransmits"`
}
