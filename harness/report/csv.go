package report

import (
	"cmp"
	"encoding/csv"
	"maps"
	"slices"
	"strconv"
	"strings"

	"workbench/harness/result"
)

// A field of the CSV: its name, with the unit in it, and its value in full
// precision, "" where the record has none.
type field struct {
	name string
	of   func(result.Experiment, result.Cell) string
}

// CSV is table.csv: a header, and a row for each cell of each experiment, in
// the order of the record. Names are those of run.json, joined by "_".
func CSV(run result.Run) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	_ = w.Write(names) // a strings.Builder takes everything
	for _, exp := range run.Experiments {
		for _, c := range exp.Cells {
			row := make([]string, len(fields))
			for i, f := range fields {
				row[i] = f.of(exp, c)
			}
			_ = w.Write(row)
		}
	}
	w.Flush()
	return b.String()
}

var fields = csvFields()

func csvFields() []field {
	var fs []field
	text := func(name string, of func(result.Experiment, result.Cell) string) {
		fs = append(fs, field{name, of})
	}
	whole := func(name string, of func(result.Cell) int64) {
		text(name, func(_ result.Experiment, c result.Cell) string { return strconv.FormatInt(of(c), 10) })
	}
	flag := func(name string, of func(result.Cell) bool) {
		text(name, func(_ result.Experiment, c result.Cell) string { return strconv.FormatBool(of(c)) })
	}
	spread := func(name string, of func(result.Cell) *result.Spread) {
		part := func(suffix string, pick func(*result.Spread) float64) {
			text(name+suffix, func(_ result.Experiment, c result.Cell) string {
				if s := of(c); s != nil {
					return number(pick(s))
				}
				return ""
			})
		}
		part("_median", func(s *result.Spread) float64 { return s.Median })
		part("_low", func(s *result.Spread) float64 { return s.Low })
		part("_high", func(s *result.Spread) float64 { return s.High })
		part("_n", func(s *result.Spread) float64 { return float64(s.N) })
	}
	percentiles := func(name string, of func(result.Cell) *result.Percentiles) {
		part := func(suffix string, pick func(*result.Percentiles) *float64) {
			text(name+suffix, func(_ result.Experiment, c result.Cell) string {
				if p := of(c); p != nil {
					if x := pick(p); x != nil {
						return number(*x)
					}
				}
				return ""
			})
		}
		part("_n", func(p *result.Percentiles) *float64 { return new(float64(p.N)) })
		part("_mean", func(p *result.Percentiles) *float64 { return &p.Mean })
		part("_p50", func(p *result.Percentiles) *float64 { return p.P50 })
		part("_p90", func(p *result.Percentiles) *float64 { return p.P90 })
		part("_p99", func(p *result.Percentiles) *float64 { return p.P99 })
		part("_p99_9", func(p *result.Percentiles) *float64 { return p.P999 })
		part("_max", func(p *result.Percentiles) *float64 { return &p.Max })
	}
	comparisons := func(metric string) func(suffix string, pick func(*result.Comparison) string) {
		return func(suffix string, pick func(*result.Comparison) string) {
			text(strings.ReplaceAll(metric, ".", "_")+suffix, func(e result.Experiment, c result.Cell) string {
				if c := comparison(e, c.Label, metric); c != nil {
					return pick(c)
				}
				return ""
			})
		}
	}
	compared := func(metric string) {
		part := comparisons(metric)
		part("_ratio", func(c *result.Comparison) string { return number(c.Ratio.Estimate) })
		part("_ratio_low", func(c *result.Comparison) string { return optional(c.Ratio.Low) })
		part("_ratio_high", func(c *result.Comparison) string { return optional(c.Ratio.High) })
		part("_ratio_rounds", func(c *result.Comparison) string { return strconv.Itoa(c.Seen.N) })
		part("_verdict", func(c *result.Comparison) string { return c.Verdict })
	}

	text("experiment", func(e result.Experiment, _ result.Cell) string { return e.Name })
	text("scenario", func(e result.Experiment, _ result.Cell) string { return e.Scenario })
	text("loop", func(e result.Experiment, _ result.Cell) string { return e.Loop })
	text("clients", func(e result.Experiment, _ result.Cell) string { return strconv.Itoa(e.Clients) })
	text("plan_digest", func(e result.Experiment, _ result.Cell) string { return e.PlanDigest })
	text("reference", func(e result.Experiment, _ result.Cell) string { return e.Reference })
	text("label", func(_ result.Experiment, c result.Cell) string { return c.Label })
	text("model", func(_ result.Experiment, c result.Cell) string { return c.Model })
	flag("twin", func(c result.Cell) bool { return c.Twin })
	flag("valid", func(c result.Cell) bool { return c.Valid })
	whole("slices", func(c result.Cell) int64 { return int64(c.Slices) })
	whole("requests", func(c result.Cell) int64 { return c.Requests })
	whole("plan_used", func(c result.Cell) int64 { return c.PlanUsed })
	spread("throughput_per_s", func(c result.Cell) *result.Spread { return c.ThroughputPerS })
	compared(metricThroughput)
	percentiles("latency_us", func(c result.Cell) *result.Percentiles { return c.LatencyUs })
	percentiles("first_byte_us", func(c result.Cell) *result.Percentiles { return c.FirstByteUs })
	percentiles("connect_us", func(c result.Cell) *result.Percentiles { return c.ConnectUs })
	percentiles("service_us", func(c result.Cell) *result.Percentiles { return c.ServiceUs })
	percentiles("waited_us", func(c result.Cell) *result.Percentiles { return c.WaitedUs })
	spread(metricCPU, func(c result.Cell) *result.Spread { return c.ServerCPUUsPerRequest })
	compared(metricCPU)
	spread("client_cpu_us_per_request", func(c result.Cell) *result.Spread { return c.ClientCPUUsPerRequest })
	spread("server_cpu_utilisation", func(c result.Cell) *result.Spread { return c.ServerCPUUtilisation })
	spread("client_cpu_utilisation", func(c result.Cell) *result.Spread { return c.ClientCPUUtilisation })
	spread("limit_utilisation", func(c result.Cell) *result.Spread { return c.LimitUtilisation })
	spread("context_switches_per_request", func(c result.Cell) *result.Spread { return c.ContextSwitchesPerRequest })
	spread("gc_cpu_fraction", func(c result.Cell) *result.Spread { return c.GCCPUFraction })
	spread("littles_law_residual", func(c result.Cell) *result.Spread { return c.LittlesLawResidual })
	whole("rss_peak_bytes", func(c result.Cell) int64 { return c.RSSPeakBytes })
	whole("held_peak", func(c result.Cell) int64 { return c.HeldPeak })
	whole("waiting_peak", func(c result.Cell) int64 { return c.WaitingPeak })
	whole("rejected", func(c result.Cell) int64 { return c.Rejected })
	whole("goroutines_peak", func(c result.Cell) int64 { return c.GoroutinesPeak })
	whole("threads_peak", func(c result.Cell) int64 { return c.ThreadsPeak })
	whole("stale", func(c result.Cell) int64 { return c.Stale })
	whole("unfinished", func(c result.Cell) int64 { return c.Unfinished })
	whole("starved", func(c result.Cell) int64 { return c.Starved })
	whole("errors_refused", func(c result.Cell) int64 { return c.Errors.Refused })
	whole("errors_reset", func(c result.Cell) int64 { return c.Errors.Reset })
	whole("errors_timeout", func(c result.Cell) int64 { return c.Errors.Timeout })
	whole("errors_rejected", func(c result.Cell) int64 { return c.Errors.Rejected })
	whole("errors_truncated", func(c result.Cell) int64 { return c.Errors.Truncated })
	whole("errors_bad_response", func(c result.Cell) int64 { return c.Errors.BadResponse })
	whole("errors_other", func(c result.Cell) int64 { return c.Errors.Other })
	text("limit_name", func(_ result.Experiment, c result.Cell) string {
		if c.Limit == nil {
			return ""
		}
		return c.Limit.Name
	})
	text("limit_size", func(_ result.Experiment, c result.Cell) string {
		if c.Limit == nil {
			return ""
		}
		return strconv.FormatInt(c.Limit.Size, 10)
	})
	text("bound_by", func(_ result.Experiment, c result.Cell) string { return c.BoundBy })
	text("bound_by_why", func(_ result.Experiment, c result.Cell) string { return c.BoundByWhy })
	text("warnings", func(_ result.Experiment, c result.Cell) string { return strings.Join(c.Warnings, "; ") })

	// What came later stands at the end, so that scripts that count columns go on
	// working.
	asked := func(name string, of func(result.Experiment, result.Cell) float64) { // 0: there is none
		text(name, func(e result.Experiment, c result.Cell) string {
			if x := of(e, c); x != 0 {
				return number(x)
			}
			return ""
		})
	}
	known := func(name string, of func(result.Cell) *float64) {
		text(name, func(_ result.Experiment, c result.Cell) string {
			if x := of(c); x != nil {
				return number(*x)
			}
			return ""
		})
	}
	asked("rate_per_s", func(e result.Experiment, _ result.Cell) float64 { return cmp.Or(e.Rate, e.Load.Rate) })
	asked("capacity_per_s", func(e result.Experiment, _ result.Cell) float64 { return e.CapacityPerS })
	spread("intended_per_s", func(c result.Cell) *result.Spread { return c.IntendedPerS })
	spread("achieved_per_s", func(c result.Cell) *result.Spread { return c.AchievedPerS })
	percentiles("send_lateness_us", func(c result.Cell) *result.Percentiles { return c.SendLatenessUs })
	known("ceiling_per_s", func(c result.Cell) *float64 { return c.CeilingPerS })
	known("ceiling_reached", func(c result.Cell) *float64 { return c.CeilingReached })
	spread("bytes_per_held_connection", func(c result.Cell) *result.Spread { return c.BytesPerHeldConnection })
	whole("held_asked", func(c result.Cell) int64 { return c.HeldAsked })
	whole("held_answered", func(c result.Cell) int64 { return c.HeldAnswered })
	whole("held_lost", func(c result.Cell) int64 { return c.HeldLost })
	whole("held_answered_again", func(c result.Cell) int64 { return c.HeldAnsweredAgain })
	text("unable", func(_ result.Experiment, c result.Cell) string { return c.Unable })
	whole("due", func(c result.Cell) int64 { return c.Due })
	share := func(name string, of func(*result.Percentiles) float64) {
		text(name, func(_ result.Experiment, c result.Cell) string {
			if c.LatencyUs == nil {
				return ""
			}
			return number(of(c.LatencyUs))
		})
	}
	share("latency_us_censored", func(p *result.Percentiles) float64 { return p.Censored })
	share("latency_us_timed_out", func(p *result.Percentiles) float64 { return p.TimedOut })
	for _, metric := range []string{metricThroughput, metricCPU} {
		part := comparisons(metric)
		part("_ratio_blocks", func(c *result.Comparison) string { return strconv.Itoa(c.Ratio.Blocks) })
		part("_confidence", confidenceOf)
		part("_resolution", func(c *result.Comparison) string { return optional(c.Resolution) })
		part("_verdict_why", func(c *result.Comparison) string { return c.Why })
		part("_signed_rank_p", func(c *result.Comparison) string { return optional(c.SignedRankP) })
		text(metric+"_group", func(e result.Experiment, c result.Cell) string { return letters(e, c, metric) })
		part("_seen_median", func(c *result.Comparison) string { return number(c.Seen.Median) })
		part("_seen_low", func(c *result.Comparison) string { return number(c.Seen.Low) })
		part("_seen_high", func(c *result.Comparison) string { return number(c.Seen.High) })
		all := func(suffix string, pick func(*result.Ratio) string) {
			part("_all_rounds_ratio"+suffix, func(c *result.Comparison) string {
				if c.AllRounds == nil {
					return ""
				}
				return pick(c.AllRounds)
			})
		}
		all("", func(r *result.Ratio) string { return number(r.Estimate) })
		all("_low", func(r *result.Ratio) string { return optional(r.Low) })
		all("_high", func(r *result.Ratio) string { return optional(r.High) })
	}
	for _, metric := range []string{result.MetricP50, result.MetricP99} {
		compared(metric)
		part := comparisons(metric)
		part("_ratio_blocks", func(c *result.Comparison) string { return strconv.Itoa(c.Ratio.Blocks) })
		part("_confidence", confidenceOf)
		part("_resolution", func(c *result.Comparison) string { return optional(c.Resolution) })
		part("_verdict_why", func(c *result.Comparison) string { return c.Why })
	}
	of := func(name string, pick func(result.Experiment) string) { // of the experiment
		text(name, func(e result.Experiment, _ result.Cell) string { return pick(e) })
	}
	of("axes", func(e result.Experiment) string {
		var at []string
		for _, a := range e.Axes {
			at = append(at, a.Key+"="+a.Value)
		}
		return strings.Join(at, "; ")
	})
	of("grid", func(e result.Experiment) string {
		if len(e.Axes) == 0 { // of no sweep
			return ""
		}
		return strconv.Itoa(e.Grid)
	})
	of("server_cpus", func(e result.Experiment) string { return e.ServerCPUs })
	of("load_cpus", func(e result.Experiment) string { return e.LoadCPUs })
	of("blocks", func(e result.Experiment) string { return strconv.Itoa(e.Blocks) })
	of("rounds", func(e result.Experiment) string { return strconv.Itoa(e.Rounds) })
	of("rounds_left_out", func(e result.Experiment) string { return strconv.Itoa(e.RoundsLeftOut) })
	of("stopped_by", func(e result.Experiment) string { return e.StoppedBy })
	of("suspect", func(e result.Experiment) string { return strconv.FormatBool(e.Suspect) })
	text("limit_of", func(_ result.Experiment, c result.Cell) string {
		switch {
		case c.Limit == nil:
			return ""
		case c.Limit.Requests():
			return c.Limit.Of
		}
		return "connections"
	})
	whole("at_work_peak", func(c result.Cell) int64 { return c.AtWorkPeak })
	text("queues", func(_ result.Experiment, c result.Cell) string { // "parse=12; work=40"
		var all []string
		for _, name := range slices.Sorted(maps.Keys(c.Queues)) {
			all = append(all, name+"="+strconv.FormatInt(c.Queues[name], 10))
		}
		return strings.Join(all, "; ")
	})
	text("spread_name", func(_ result.Experiment, c result.Cell) string {
		if c.Spread == nil {
			return ""
		}
		return c.Spread.Name
	})
	text("spread_parts", func(_ result.Experiment, c result.Cell) string {
		if c.Spread == nil {
			return ""
		}
		return strconv.Itoa(c.Spread.Parts)
	})
	spread("spread_imbalance", func(c result.Cell) *result.Spread {
		if c.Spread == nil {
			return nil
		}
		return c.Spread.Imbalance
	})
	return fs
}

// letters are those of a cell's group, shown or not.
func letters(exp result.Experiment, c result.Cell, metric string) string {
	for _, cmp := range exp.Comparisons {
		switch {
		case cmp.Metric != metric:
		case cmp.Model == c.Label:
			return cmp.Group
		case cmp.Reference == c.Label && cmp.ReferenceGroup != "":
			return cmp.ReferenceGroup
		}
	}
	return ""
}

func confidenceOf(c *result.Comparison) string {
	if c.Confidence == 0 {
		return ""
	}
	return number(c.Confidence)
}

func optional(x *float64) string {
	if x == nil {
		return ""
	}
	return number(*x)
}

// number has as many digits as read back to the same float64.
func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
