package report

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"workbench/harness/analysis"
	"workbench/harness/result"
	"workbench/harness/scenario"
)

// Answer says in words what an experiment showed: what differs, by how much
// and how sure; what does not, and how small a difference would have shown; and
// what limited each. "For this load:" and one finding to a line, indented by two.
// It ends in a newline.
func Answer(exp result.Experiment) string {
	a := answer{exp: exp, cells: rows(exp)}
	a.alarm()
	a.withoutFigures()
	a.unable()
	a.foreign()
	a.reference()
	a.largeDifferences()
	a.differences()
	a.noDifference()
	a.noVerdict()
	a.limits()
	a.queues()
	a.imbalances()
	a.peaks()
	a.held()
	a.withinTwo()
	a.undecided()
	a.twin()
	a.lowerBounds()
	a.disturbed()
	a.restsOnRounds()
	a.notes()
	if len(a.said) == 0 {
		a.say("nothing was measured.")
	}
	return "For this load:\n  " + strings.Join(a.said, "\n  ") + "\n"
}

type answer struct {
	exp   result.Experiment
	cells []result.Cell
	said  []string
}

func (a *answer) say(format string, args ...any) {
	a.said = append(a.said, fmt.Sprintf(format, args...))
}

func (a *answer) name(c result.Cell) string { return name(a.exp, c) }

func (a *answer) refName() string {
	for _, c := range a.cells {
		if c.Label == a.exp.Reference {
			return a.name(c)
		}
	}
	return a.exp.Reference
}

// names are those of the cells that p holds for.
func (a *answer) names(p func(result.Cell) bool) (ns []string) {
	for _, c := range a.cells {
		if p(c) {
			ns = append(ns, a.name(c))
		}
	}
	return ns
}

// models are the valid cells that are compared with the reference; the twin is
// no model of its own.
func (a *answer) models() (ms []result.Cell) {
	for _, c := range a.cells {
		if c.Valid && !c.Twin && c.Label != a.exp.Reference {
			ms = append(ms, c)
		}
	}
	return ms
}

// referenceCell is nil where there is none, or none whose figures are valid.
func (a *answer) referenceCell() *result.Cell {
	for _, c := range a.cells {
		if c.Label == a.exp.Reference && c.Valid {
			return &c
		}
	}
	return nil
}

// alarm comes first: where the same server differs from itself, no difference
// is to be believed.
func (a *answer) alarm() {
	for _, c := range a.cells {
		if !c.Twin {
			continue
		}
		if a.exp.Suspect {
			a.suspect(c)
			continue
		}
		for _, m := range metrics {
			if cmp := comparison(a.exp, c.Label, m.key); isLarge(cmp) {
				a.say("The twin of %s, the same server again, came out at %s in %s: something disturbs this experiment. Believe no difference in it.",
					a.refName(), times(cmp.Seen.Median), m.name)
			}
		}
	}
}

// suspect says by how much the twin differs, what that means and what to do.
func (a *answer) suspect(twin result.Cell) {
	var by []string
	for _, m := range metrics {
		cmp := comparison(a.exp, twin.Label, m.key)
		switch {
		case isLarge(cmp):
			by = append(by, fmt.Sprintf("%s in %s", times(cmp.Seen.Median), m.name))
		case cmp != nil && excludes(cmp.Ratio):
			low, high, _ := ends(cmp.Ratio)
			by = append(by, fmt.Sprintf("%s in %s (interval %s ×)", times(cmp.Ratio.Estimate), m.name, interval(low, high)))
		}
	}
	at := ""
	if len(by) > 0 {
		at = " at " + list(by)
	}
	a.say("Suspect: the twin of %s, the same server again, came out%s. Something other than the servers makes a difference here, or this is the one time in a hundred that chance does: no difference is to be believed, so there are no verdicts. See what disturbs the machine (workbench doctor), and run it again.",
		a.refName(), at)
}

var metrics = []struct{ key, name string }{
	{metricThroughput, "requests/s"},
	{metricCPU, "CPU per request"},
}

// times is a ratio for a reader, to two decimals.
func times(x float64) string { return fmt.Sprintf("%.2f ×", x) }

// timesRange is "0.93–1.04 ×", and a single ratio where both are printed alike.
func timesRange(low, high float64) string {
	l, h := fmt.Sprintf("%.2f", low), times(high)
	if times(low) == h {
		return h
	}
	return l + "–" + h
}

// withoutFigures names what failed, by its reason.
func (a *answer) withoutFigures() {
	for _, c := range a.cells {
		switch {
		case c.Valid || c.Unable != "":
		case c.Slices == 0:
			a.say("%s was not measured: %s.", a.name(c), strings.Join(reasons(c), "; "))
		default:
			a.say("%s has no valid figures: %s.", a.name(c), strings.Join(reasons(c), "; "))
		}
	}
	if a.exp.Reference != "" && a.referenceCell() == nil && len(a.cells) > 1 {
		a.say("Without valid figures of the reference %s no difference is named.", a.refName())
	}
}

// unable names who can't take part in this scenario, once with each reason.
func (a *answer) unable() {
	var order []string
	of := map[string][]string{}
	for _, c := range a.cells {
		if c.Unable == "" {
			continue
		}
		if of[c.Unable] == nil {
			order = append(order, c.Unable)
		}
		of[c.Unable] = append(of[c.Unable], a.name(c))
	}
	for _, why := range order {
		a.say("%s can't take part: %s.", list(of[why]), why)
	}
}

// foreign names the servers that are not ours, and what their figures don't
// carry: only what a probe saw them do is the same load.
func (a *answer) foreign() {
	for _, e := range a.exp.Entries {
		i := slices.IndexFunc(a.cells, func(c result.Cell) bool { return c.Label == e.Label })
		if !e.Foreign() || e.Twin || i < 0 || !a.cells[i].Valid {
			continue
		}
		said := a.name(a.cells[i]) + " is not one of these models: of its answers "
		if p := e.Abilities; p != nil && (p.Length >= 0 || p.Bytes) {
			said += "status and length were checked, not every byte"
		} else {
			said += "the status alone was checked"
		}
		if not := lacks(e.Abilities); len(not) > 0 {
			said += "; it doesn't " + or(not) + ", which this load doesn't ask for"
		}
		if p := e.Abilities; p != nil && !p.Service && !(a.exp.Load.Wait.IsZero() && a.exp.Load.Spin.IsZero()) {
			said += "; it doesn't say how long its work took"
		}
		a.say("%s.", said)
	}
}

// lacks is what a server was asked to do by a probe and didn't.
func lacks(p *result.Abilities) (not []string) {
	if p == nil {
		return nil
	}
	if !p.KeepAlive {
		not = append(not, "keep connections")
	}
	if p.AskedUs == 0 { // it was not asked to work
		return not
	}
	for _, x := range []struct {
		does bool
		what string
	}{{p.Waits, "wait when it is asked to"}, {p.Spins, "burn CPU when it is asked to"}, {p.Bytes, "answer as long as it is asked to"}} {
		if !x.does {
			not = append(not, x.what)
		}
	}
	return not
}

// or is "a", "a or b", "a, b or c".
func or(s []string) string {
	if len(s) < 2 {
		return strings.Join(s, "")
	}
	return strings.Join(s[:len(s)-1], ", ") + " or " + s[len(s)-1]
}

// reasons leave out the one that the sentence begins with.
func reasons(c result.Cell) []string {
	var rs []string
	for _, w := range c.Warnings {
		rs = append(rs, strings.TrimPrefix(w, "no figures: "))
	}
	if len(rs) == 0 {
		return []string{"no reason is recorded"}
	}
	return rs
}

// reference says how the reference stood, or every model where nothing is
// compared.
func (a *answer) reference() {
	for _, c := range a.cells {
		if c.Valid && !c.Twin && (c.Label == a.exp.Reference || a.referenceCell() == nil) {
			if s := a.standing(c); s != "" {
				a.say("%s", s)
			}
		}
	}
}

// standing is how one server met the load. Those that the clients or the host
// bound are named together elsewhere.
func (a *answer) standing(c result.Cell) string {
	n := a.name(c)
	switch c.BoundBy {
	case "server":
		return fmt.Sprintf("%s has no CPU left (%s): %s.", n, c.BoundByWhy, split(c))
	case "limit":
		return fmt.Sprintf("%s was at its limit (%s%s): %s.", n, c.BoundByWhy, reached(c), split(c))
	case "load":
		if open(a.exp) {
			return fmt.Sprintf("%s %s; %s.", n, a.kept(c), split(c))
		}
		// "All that the clients ask for" is N/(Z+S): it is reached if next to
		// nothing is waited beside the work.
		if c.ServiceUs != nil && c.WaitedUs != nil && c.WaitedUs.Mean <= 0.1*c.ServiceUs.Mean {
			return fmt.Sprintf("%s answers all that the clients ask for: %s.", n, split(c))
		}
		return fmt.Sprintf("%s: %s; %s.", n, a.notFull(c), split(c))
	case "":
		// Measured, and what bound it is not known.
		if open(a.exp) {
			return fmt.Sprintf("%s %s; %s; %s.", n, a.kept(c), a.notFull(c), split(c))
		}
		return fmt.Sprintf("%s: %s; %s.", n, a.notFull(c), split(c))
	}
	return ""
}

// reached is how far arithmetic let a model go that was at its limit: its
// places over the time that work takes. The rest is passed between two
// connections. It says nothing where that time was not measured, where something
// else allows less, or where the two don't agree.
func reached(c result.Cell) string {
	if c.Limit == nil || c.ServiceUs == nil || !(c.ServiceUs.Mean > 0) || c.CeilingPerS == nil || c.CeilingReached == nil {
		return ""
	}
	allowed := float64(c.Limit.Size) / c.ServiceUs.Mean * 1e6
	share := *c.CeilingReached
	if *c.CeilingPerS < 0.999*allowed || share > 1+analysis.Slack {
		return ""
	}
	if share > 1 {
		return fmt.Sprintf("; about 100 %% of the %s/s that it allows", result.Significant(allowed))
	}
	return fmt.Sprintf("; %.0f %% of the %s/s that it allows", 100*share, result.Significant(allowed))
}

// kept is how a server met what arrived, and the clients their schedule.
func (a *answer) kept(c result.Cell) string {
	if c.IntendedPerS == nil || c.ThroughputPerS == nil || c.Due == 0 {
		return "met what arrived"
	}
	rate, answered := result.Significant(c.IntendedPerS.Median), result.Significant(c.ThroughputPerS.Median)
	var s string
	switch {
	case a.exp.Load.Loop == scenario.LoopPartlyOpen:
		// Which requests of a session there were to be is not known of one that the
		// window's end cut short.
		s = fmt.Sprintf("answered %s requests/s of %s sessions/s (%s requests/s) that arrived", answered, rate,
			result.Significant(c.IntendedPerS.Median*float64(a.exp.Load.RequestsPerConnection)))
	default:
		s = a.keptOf(c, rate)
		if behind := c.ThroughputPerS.Median < 0.95*c.IntendedPerS.Median && float64(c.Requests) < 0.95*float64(c.Due); behind && c.LatencyUs != nil && float64(c.LatencyUs.N) > 1.05*float64(c.Requests) {
			s += fmt.Sprintf(" in the end, %s/s of them while they arrived", answered)
		}
	}
	if l := c.SendLatenessUs; l != nil && l.P50 != nil {
		s += fmt.Sprintf(" (sent %s late in the median)", result.Micros(*l.P50))
	}
	return s
}

// keptOf is how many requests of an open loop were answered of those that were
// due, however late.
func (a *answer) keptOf(c result.Cell, rate string) string {
	n, cut := int64(0), 1.0
	if p := c.LatencyUs; p != nil {
		n, cut = p.N, p.Censored-p.TimedOut
	}
	if n >= c.Due {
		return fmt.Sprintf("answered all %s requests/s that arrived", rate)
	}
	missing := float64(c.Due-n) / float64(c.Due)
	s := fmt.Sprintf("answered %s %% of the %s requests/s that arrived", shareOf(n, c.Due), rate)
	if cut > missing/2 { // hung up on, or never sent
		s += " by the end of the window"
	}
	return s
}

// notFull says what was seen not to be the bottleneck, with how busy it was. Of a
// load that varies that is a mean over its cycle: what is not full on average may
// have been at its height.
func (a *answer) notFull(c result.Cell) string {
	clients, server := c.ClientCPUUtilisation, c.ServerCPUUtilisation
	if !a.exp.Load.Cycle.IsZero() {
		switch {
		case server != nil && clients != nil:
			return fmt.Sprintf("over the whole cycle its CPU was %.0f %% busy and the clients' %.0f %%", 100*server.Median, 100*clients.Median)
		case clients != nil:
			return fmt.Sprintf("over the whole cycle the clients' CPU was %.0f %% busy, its own was not seen", 100*clients.Median)
		}
		return "how busy any CPU was, was not seen"
	}
	switch {
	case server != nil && clients != nil:
		return fmt.Sprintf("neither its CPU (%.0f %% busy) nor the clients' (%.0f %%) was full", 100*server.Median, 100*clients.Median)
	case clients != nil:
		return fmt.Sprintf("the clients' CPU was not full (%.0f %% busy), its own was not seen", 100*clients.Median)
	}
	return "no CPU was seen full"
}

// split is how a request's time divides, on average. What passes beside the work
// is waiting for a turn where a CPU or a limit was full; else it may be anything:
// the connect, the way there and back, a late send.
func split(c result.Cell) string {
	request := "a request"
	if p := c.LatencyUs; p != nil && p.Censored > 0.01 {
		request = "a request that was answered"
	}
	switch {
	case c.ServiceUs != nil && c.WaitedUs != nil && (c.BoundBy == "server" || c.BoundBy == "limit"):
		return fmt.Sprintf("on average %s waits %s for its turn and %s for its work", request, result.Micros(c.WaitedUs.Mean), result.Micros(c.ServiceUs.Mean))
	case c.ServiceUs != nil && c.WaitedUs != nil:
		return fmt.Sprintf("on average %s spends %s beside its work of %s", request, result.Micros(c.WaitedUs.Mean), result.Micros(c.ServiceUs.Mean))
	case c.LatencyUs != nil:
		return fmt.Sprintf("%s takes %s on average", request, result.Micros(c.LatencyUs.Mean))
	case c.Due > 0:
		return "none of those that were due was answered"
	}
	return "none was answered"
}

// largeDifferences are those that the record's verdicts name.
func (a *answer) largeDifferences() {
	if a.referenceCell() == nil {
		return
	}
	for _, c := range a.models() {
		if cmp := comparison(a.exp, c.Label, metricThroughput); isLarge(cmp) {
			a.say("%s answers %s %s (%s; bound by %s): %s.", a.name(c), multiple(cmp.Seen, "as many requests/s as", "fewer requests/s than"), a.refName(),
				inRounds(cmp.Seen), bound(a.exp, c), split(c))
		}
	}
	for _, c := range a.models() {
		if cmp := comparison(a.exp, c.Label, metricCPU); isLarge(cmp) {
			a.say("%s needs %s %s (%s).", a.name(c), multiple(cmp.Seen, "as much CPU per request as", "less CPU per request than"), a.refName(), inRounds(cmp.Seen))
		}
	}
}

// multiple is "62 × fewer than", or "3.1 × as many as". Of a model that
// answered nothing in most rounds there is no factor but the least.
func multiple(s result.Seen, more, less string) string {
	switch {
	case s.Median > 1:
		return factor(s.Median) + " × " + more
	case s.Median > 0:
		return factor(1/s.Median) + " × " + less
	case s.High > 0:
		return "at least " + factor(1/s.High) + " × " + less
	}
	return "far " + less // a factor would be a division by 0
}

// inRounds is the range of factors that rounds saw, the way of their median.
func inRounds(s result.Seen) string {
	low, high := s.Low, s.High
	if s.Median < 1 {
		if s.Low == 0 {
			return fmt.Sprintf("none at all in some of its %s", count(s.N, "round"))
		}
		low, high = 1/s.High, 1/s.Low
	}
	if factor(low) == factor(high) {
		return fmt.Sprintf("%s × in each of its %s", factor(low), count(s.N, "round"))
	}
	return fmt.Sprintf("%s–%s × in its %s", factor(low), factor(high), count(s.N, "round"))
}

// limits says of the other models whether what they are made for came to bear.
func (a *answer) limits() {
	for _, c := range a.models() {
		l := c.Limit
		n := a.name(c)
		switch {
		case l == nil:
		case c.BoundBy == "limit" && a.referenceCell() != nil && !isLarge(comparison(a.exp, c.Label, metricThroughput)):
			a.say("%s", a.standing(c))
		case c.LimitPeak() == 0 || c.LimitPeak() >= l.Size:
		case l.Requests():
			a.say("Of %s's %s %s at most %s were at work at once: no request waited for lack of one.", n, result.Thousands(l.Size), l.Name, result.Thousands(c.LimitPeak()))
		case l.Name == "goroutines":
			a.say("The limit of %s was never reached (peak %s): here %s is goroutine-per-connection.", result.Thousands(l.Size), result.Thousands(c.HeldPeak), n)
			a.choose(c)
		case l.Name == "workers":
			a.say("Of %s's %s workers at most %s were taken: no connection waited for lack of one.", n, result.Thousands(l.Size), result.Thousands(c.HeldPeak))
			a.choose(c)
		default:
			a.say("%s never reached its limit of %s %s (peak %s).", n, result.Thousands(l.Size), l.Name, result.Thousands(c.HeldPeak))
		}
	}
}

// queues say how long those inside of a model were at most.
func (a *answer) queues() {
	for _, c := range a.cells {
		if !c.Valid || c.Twin || len(c.Queues) == 0 {
			continue
		}
		names := slices.Sorted(maps.Keys(c.Queues))
		var lengths []string
		most := int64(0)
		for _, name := range names {
			lengths = append(lengths, result.Thousands(c.Queues[name])+" ("+name+")")
			most = max(most, c.Queues[name])
		}
		its := "its queues"
		if len(names) == 1 {
			its = "its queue"
		}
		if most == 0 {
			a.say("%s: nothing waited in %s (%s).", a.name(c), its, list(names))
			continue
		}
		a.say("%s: %s held at most %s.", a.name(c), its, list(lengths))
	}
}

// imbalances say how unevenly connections came out spread over parts of a model.
func (a *answer) imbalances() {
	for _, c := range a.cells {
		s := c.Spread
		if !c.Valid || c.Twin || s == nil || s.Parts < 2 || s.Imbalance == nil {
			continue
		}
		a.say("%s: the busiest of its %d %s took %s an even share of the connections (median slice; in single ones %s).", a.name(c), s.Parts, s.Name,
			times(s.Imbalance.Median), timesRange(s.Imbalance.Low, s.Imbalance.High))
	}
}

// choose says what is left to choose by where speed decides nothing.
func (a *answer) choose(c result.Cell) {
	if ref := a.referenceCell(); ref == nil || ref.Limit != nil || a.bySpeed(c) {
		return
	}
	a.say("Choose by something else than speed: %s bounds memory, %s does not.", a.name(c), a.refName())
}

// peaks say what a load that varies did to each model at its height, and when
// that was over.
func (a *answer) peaks() {
	for _, c := range a.cells {
		if !c.Valid || c.Twin {
			continue
		}
		p, ok := analysis.PeakOf(a.exp.Load, c.GoodputSeries)
		if !ok {
			continue
		}
		said := fmt.Sprintf("In the %s, %s answered ", a.peak(p), a.name(c))
		if p.Answered == p.Intended {
			said += "all requests"
		} else {
			said += shareInPercent(p.Share()) + " % of the requests"
		}
		said += " within " + span(a.exp.Load.Patience())
		if p.Before < 0.99 {
			said += fmt.Sprintf(" (before it: %s %%)", shareInPercent(p.Before))
		}
		switch {
		case p.Rest == 0 || !p.Overloaded() && p.Later >= 0.99: // nothing is asked for then, or nothing is to be recovered from
		case !p.Overloaded():
			said += fmt.Sprintf(", and %s %% of those after it", shareInPercent(p.Later))
		case p.Recovered && p.After == 0:
			said += ", and at least 99 % again as soon as the load had fallen"
		case p.Recovered:
			said += fmt.Sprintf("; from %s after the load had fallen it answered at least 99 %% again", span(p.After))
		default:
			said += fmt.Sprintf("; it had not recovered %s after the load had fallen", span(p.Rest))
		}
		if p.Tail > p.Bin {
			said += fmt.Sprintf("; what had piled up was being worked off for %s after it", span(p.Tail))
		}
		a.say("%s.", said)
	}
}

// peak is the phase in which most arrives: "second at 1.5 × what goroutine
// answers at most".
func (a *answer) peak(p analysis.Peak) string {
	times := fmt.Sprintf("%s × ", multiples(int64(p.Times*1000+0.5)))
	at := perSecond(baseRate(a.exp))
	if a.exp.Load.OfCapacity {
		at = "what " + whose(a.exp) + " answers at most"
	} else if p.Times == 1 {
		times = ""
	}
	return fmt.Sprintf("%s at %s%s", strings.TrimPrefix(stretch(p.For), "a "), times, at)
}

// shareInPercent has a decimal where whole per cent would say all or nothing.
func shareInPercent(x float64) string {
	if s := fmt.Sprintf("%.0f", 100*x); s != "100" && s != "0" {
		return s
	}
	return fmt.Sprintf("%.1f", min(99.9, 100*x))
}

// shareOf is the same of counts, with as many decimals as it takes to be neither
// all nor, from 99 % on, a figure that hides how near it is: "84", "99.95".
func shareOf(of, whole int64) string {
	x := 100 * float64(of) / float64(whole)
	if of > 0 && x < 1 {
		return result.Significant(x)
	}
	decimals := 0
	for room := 100 - x; of < whole && room < 1 && decimals < 6; room *= 10 {
		decimals++
	}
	scale := math.Pow(10, float64(decimals))
	return fmt.Sprintf("%.*f", decimals, math.Floor(x*scale)/scale)
}

// held says what the silent connections cost.
func (a *answer) held() {
	for _, c := range a.cells {
		b := c.BytesPerHeldConnection
		if !c.Valid || c.Twin || b == nil {
			continue
		}
		bytes := func(x float64) string { return result.Thousands(int64(math.Round(x))) }
		each := ", and its resident memory did not grow" // by more than the runtime gave back
		if b.Median > 0 {
			each = " at " + bytes(b.Median)
			if b.N > 1 {
				to := "–"
				if b.Low < 0 {
					to = " to "
				}
				each += fmt.Sprintf(" (%s%s%s in %d restarts)", bytes(b.Low), to, bytes(b.High), b.N)
			}
			each += " bytes of its resident memory each (without the kernel's)"
		}
		end := ""
		if c.HeldLost == 0 && c.HeldAnsweredAgain > 0 {
			end = fmt.Sprintf("; all %s that were asked once more at the end answered", result.Thousands(c.HeldAnsweredAgain))
		}
		a.say("%s held %s silent connections%s%s.", a.name(c), result.Thousands(c.HeldAnswered), each, end)
	}
}

// finding is what a comparison carries in one metric.
type finding int

const (
	isAbsent    finding = iota // no round held both
	isNamed                    // large
	isUnranked                 // the clients bound one of them
	isDifferent                // the interval leaves 1 out
	isSame                     // it holds 1
	isUndecided                // enough restarts, and yet there may be no verdict
	isWithin                   // a quick look: the median round is within a factor of 2
	isBeyond                   // it is not, but not every round agrees, or there are too few
)

func (a *answer) finding(c result.Cell, metric string) finding {
	cmp, ref := comparison(a.exp, c.Label, metric), a.referenceCell()
	switch {
	case cmp == nil || ref == nil:
		return isAbsent
	case isLarge(cmp):
		return isNamed
	case metric == metricThroughput && (lowerBound(c) || lowerBound(*ref)):
		return isUnranked
	case differs(cmp):
		return isDifferent
	case cmp.Verdict == result.VerdictSame:
		return isSame
	case a.exp.Blocks >= verdictBlocks:
		return isUndecided
	case cmp.Seen.Median >= 0.5 && cmp.Seen.Median <= 2:
		return isWithin
	}
	return isBeyond
}

// withinTwo names the models of which a quick look shows no difference, and
// what was seen all the same. That is not to say that there is none.
func (a *answer) withinTwo() {
	for _, g := range []struct {
		rate, cpu bool
		words     string
	}{
		{true, true, "within 2 × of %s in requests/s and CPU per request"},
		{true, false, "within 2 × of %s in requests/s"},
		{false, true, "within 2 × of %s in CPU per request"},
	} {
		var ns, seen []string
		var rates, cpus []float64
		for _, c := range a.models() {
			if (a.finding(c, metricThroughput) == isWithin) != g.rate || (a.finding(c, metricCPU) == isWithin) != g.cpu {
				continue
			}
			ns = append(ns, a.name(c))
			if g.rate {
				rates = append(rates, comparison(a.exp, c.Label, metricThroughput).Seen.Median)
			}
			if g.cpu {
				cpus = append(cpus, comparison(a.exp, c.Label, metricCPU).Seen.Median)
			}
		}
		if len(ns) == 0 {
			continue
		}
		for _, xs := range [][]float64{rates, cpus} {
			if len(xs) > 0 {
				seen = append(seen, timesRange(slices.Min(xs), slices.Max(xs)))
			}
		}
		a.say("%s: "+g.words+"; no smaller difference is named (median round: %s).", list(ns), a.refName(), strings.Join(seen, " and "))
	}
}

// undecided are those beyond a factor of 2 that may not be named.
func (a *answer) undecided() {
	for _, c := range a.models() {
		for _, m := range metrics {
			if a.finding(c, m.key) != isBeyond {
				continue
			}
			s := comparison(a.exp, c.Label, m.key).Seen
			why := "not beyond 2 × in every one"
			if s.N < 3 {
				why = "too few rounds"
			}
			a.say("%s: %s %s's %s in the median of %s (%s), %s: no difference is named.",
				a.name(c), times(s.Median), a.refName(), m.name, count(s.N, "round"), timesRange(s.Low, s.High), why)
		}
	}
}

// twin shows in a quick look what chance does to one and the same server. It is
// a single draw of that, so it bounds nothing: what is smaller means nothing,
// what is larger need not mean anything. From ten restarts on it is an alarm
// and else keeps quiet.
func (a *answer) twin() {
	if a.exp.Blocks >= verdictBlocks {
		return
	}
	for _, c := range a.cells {
		if !c.Twin || !c.Valid {
			continue
		}
		var seen []string
		for _, m := range metrics {
			cmp := comparison(a.exp, c.Label, m.key)
			if isLarge(cmp) {
				return // said at the top
			}
			if cmp != nil {
				seen = append(seen, fmt.Sprintf("%s in %s (rounds: %s)", times(cmp.Seen.Median), m.name, timesRange(cmp.Seen.Low, cmp.Seen.High)))
			}
		}
		if len(seen) > 0 {
			a.say("The twin of %s, the same server again, came out at %s: differences of that size mean nothing here.", a.refName(), list(seen))
		}
	}
}

// lowerBounds are the cells whose clients were the bottleneck, and what can
// still be said: a model slower than a lower bound is slower.
func (a *answer) lowerBounds() {
	ns := a.names(func(c result.Cell) bool { return c.Valid && lowerBound(c) })
	if len(ns) == 0 {
		return
	}
	if open(a.exp) {
		a.say("The clients could not keep to the schedule for %s (%s): a part of the latencies is theirs, and requests/s are lower bounds (≥) and aren't ranked.",
			list(ns), a.lateness())
		return
	}
	those := "those requests/s are lower bounds (≥) and aren't ranked"
	if len(ns) == 1 {
		those = "its requests/s are a lower bound (≥) and aren't ranked"
	}
	a.say("The clients were the bottleneck for %s: %s.", list(ns), those)
	ref := a.referenceCell()
	if ref == nil || !lowerBound(*ref) {
		return
	}
	for _, c := range a.models() {
		cmp := comparison(a.exp, c.Label, metricThroughput)
		if cmp == nil || lowerBound(c) || cmp.Seen.N < 3 || cmp.Seen.High >= 0.5 || cmp.Seen.Median <= 0 {
			continue
		}
		a.say("%s answers at least %s, whose own are a lower bound (%s; bound by %s): %s.", a.name(c),
			multiple(cmp.Seen, "", "fewer requests/s than "+a.refName()), inRounds(cmp.Seen), bound(a.exp, c), split(c))
	}
}

// lateness is why the clients of an open loop bound cells, each reason once.
func (a *answer) lateness() string {
	var whys []string
	for _, c := range a.cells {
		if c.Valid && lowerBound(c) && !slices.Contains(whys, c.BoundByWhy) {
			whys = append(whys, c.BoundByWhy)
		}
	}
	return strings.Join(whys, "; ")
}

// disturbed are the cells that the host, or other processes, took CPU time
// from.
func (a *answer) disturbed() {
	for _, who := range []struct{ why, name string }{
		{"it took", "The host"}, {"other processes took", "Other processes"}, {"it and other processes took", "The host and other processes"},
	} {
		if ns := a.names(func(c result.Cell) bool {
			return c.Valid && c.BoundBy == "host" && strings.HasPrefix(c.BoundByWhy, who.why)
		}); len(ns) > 0 {
			a.say("%s took CPU time from %s in more than half of the slices: run it again on a quieter machine.", who.name, list(ns))
		}
	}
}

// notes are the warnings of cells whose figures stand, each once with all that
// it is true of, and those of the experiment. Warnings that differ in one
// figure are one, with the figures in the order of the names.
func (a *answer) notes() {
	type note struct {
		words, figures []string // alternating, words first
		differs        int      // the figure that isn't the same for all; -1 where there is none
		values         []string // that figure, name by name
		names          []string
	}
	var notes []*note
	for _, c := range a.cells {
		if !c.Valid {
			continue // told with its reasons
		}
		for _, w := range c.Warnings {
			words, figures := figuresOf(w)
			joined := false
			for _, n := range notes {
				at, ok := oneDiffers(n.words, n.figures, words, figures)
				if !ok || at >= 0 && n.differs >= 0 && at != n.differs {
					continue
				}
				if at >= 0 && n.differs < 0 {
					n.differs = at
					n.values = slices.Repeat([]string{n.figures[at]}, len(n.names))
				}
				if n.differs >= 0 {
					n.values = append(n.values, figures[n.differs])
				}
				n.names = append(n.names, a.name(c))
				joined = true
				break
			}
			if !joined {
				notes = append(notes, &note{words: words, figures: figures, differs: -1, names: []string{a.name(c)}})
			}
		}
	}
	for _, n := range notes {
		var w strings.Builder
		for i, word := range n.words {
			w.WriteString(word)
			switch {
			case i == n.differs:
				w.WriteString(list(n.values))
			case i < len(n.figures):
				w.WriteString(n.figures[i])
			}
		}
		a.say("Note: %s: %s.", list(n.names), w.String())
	}
	for _, w := range a.exp.Warnings {
		if a.exp.Suspect && strings.HasPrefix(w, "suspect: ") {
			continue // said at the top
		}
		a.say("Note: %s.", w)
	}
}

var figure = regexp.MustCompile(`\d+(?:,\d{3})*(?:\.\d+)?(?: %)?`)

// figuresOf takes a sentence apart: what stands before, between and behind its
// figures, and those.
func figuresOf(s string) (words, figures []string) {
	return figure.Split(s, -1), figure.FindAllString(s, -1)
}

// oneDiffers reports whether two sentences are the same but for at most one
// figure, and which that is; -1 where they are the same.
func oneDiffers(words, figures, words2, figures2 []string) (at int, ok bool) {
	if !slices.Equal(words, words2) {
		return 0, false
	}
	at = -1
	for i := range figures {
		switch {
		case figures[i] == figures2[i]:
		case at >= 0:
			return 0, false
		default:
			at = i
		}
	}
	return at, true
}
