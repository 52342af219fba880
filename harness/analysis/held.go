package analysis

import (
	"slices"

	"workbench/harness/result"
	"workbench/harness/stats"
)

// hold takes what became of the connections that were to be held, and what one
// costs: the growth of the server's resident memory from before the first to
// after the last, shared out among those that were answered. Each time that
// connections were opened is one figure. Most of a small number's growth is
// the runtime's, and not theirs. What the pilot held tells of a model that came
// no further, and is no restart.
func (o *observation) hold() {
	c := o.cell
	var each []float64
	first := true
	restarted := slices.ContainsFunc(o.taken, func(s result.Slice) bool { return s.Held != nil && s.Failed == "" && s.Block >= 0 })
	for _, s := range o.taken {
		h := s.Held
		if h == nil || s.Failed != "" || restarted && s.Block < 0 {
			continue
		}
		if s.Phase == result.PhaseRelease {
			c.HeldLost += h.Lost
			c.HeldAnsweredAgain += h.Answered
			continue
		}
		c.HeldAsked = max(c.HeldAsked, h.Asked)
		if first || h.Answered < c.HeldAnswered {
			c.HeldAnswered = h.Answered
		}
		first = false
		if h.RSSBeforeBytes > 0 && h.RSSAfterBytes > 0 && h.Answered > 0 {
			each = append(each, float64(h.RSSAfterBytes-h.RSSBeforeBytes)/float64(h.Answered))
		}
	}
	if len(each) > 0 {
		m := stats.Summarise(each)
		c.BytesPerHeldConnection = &result.Spread{Median: m.Median, Low: m.Low, High: m.High, N: m.N}
	}
}
