package scenario

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestParseCycle(t *testing.T) {
	for _, row := range []struct {
		is, in, canonical string
		length            time.Duration
		phases            int
	}{
		{"none", "", "", 0, 0},
		{"none, said so", "0", "", 0, 0},
		{"a burst and a pause", "250ms*1,750ms*0", "250ms*1,750ms*0", time.Second, 2},
		{"spaces, and other units", "0.25s*1, 750000us*0", "250ms*1,750ms*0", time.Second, 2},
		{"factors with decimals", "1s*0.5,1s*1.500,1s*0.001", "1s*0.5,1s*1.5,1s*0.001", 3 * time.Second, 3},
		{"the most phases", strings.Repeat("1ms*1,", 7) + "1ms*1000", strings.Repeat("1ms*1,", 7) + "1ms*1000", 8 * time.Millisecond, 8},
	} {
		c, err := ParseCycle(row.in)
		if err != nil || c.String() != row.canonical || c.Length() != row.length || len(c.Phases()) != row.phases || c.IsZero() != (row.phases == 0) {
			t.Errorf("%s: %q is %s, %v long, of %d phases, %v", row.is, row.in, c, c.Length(), len(c.Phases()), err)
		}
	}
	for _, row := range []struct{ is, in, says string }{
		{"a phase without a factor", "250ms", "DURATION*TIMES"},
		{"a phase without a time", "*1", "want a number and a unit"},
		{"a phase of no time", "0*1", "a time above 0"},
		{"a time without a unit", "250*1", "want 250us"},
		{"a negative factor", "1s*-1", "0 to 1000 times"},
		{"a factor too fine", "1s*0.0005", "three decimals"},
		{"a factor too high", "1s*1000.001", "0 to 1000 times"},
		{"a factor that is no number", "1s*NaN", "0 to 1000 times"},
		{"a factor without a digit", "1s*.", "0 to 1000 times"},
		{"a comma too many", "1s*1,", "DURATION*TIMES"},
		{"too many phases", strings.Repeat("1ms*1,", 8) + "1ms*1", "at most 8 phases"},
		{"pauses alone", "1s*0,2s*0", "nothing ever arrives"},
	} {
		if c, err := ParseCycle(row.in); err == nil || !c.IsZero() || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q is %s, %v; want an error of one line that says %q", row.is, row.in, c, err, row.says)
		}
	}
}

func TestParseSlow(t *testing.T) {
	for _, row := range []struct {
		is, in, canonical string
		share             float64
		over              time.Duration
	}{
		{"nobody", "", "", 0, 0},
		{"nobody, said so", "0", "", 0, 0},
		{"one in ten", "10%*200ms", "10%*200ms", 0.1, 200 * time.Millisecond},
		{"a share with decimals", "0.50%*1s", "0.5%*1s", 0.005, time.Second},
		{"everybody", "100%*1ms", "100%*1ms", 1, time.Millisecond},
	} {
		s, err := ParseSlow(row.in)
		if err != nil || s.String() != row.canonical || s.Share() != row.share || s.Over() != row.over || s.IsZero() != (row.share == 0) {
			t.Errorf("%s: %q is %s: %v over %v, %v", row.is, row.in, s, s.Share(), s.Over(), err)
		}
	}
	for _, row := range []struct{ is, in, says string }{
		{"a share alone", "10%", "10%*200ms"},
		{"a time alone", "200ms", "10%*200ms"},
		{"a share without its sign", "10*200ms", "percentage"},
		{"a time without a unit", "10%*200", "want 200us"},
		{"two mistakes, in one line", "10*200", "percentage"},
		{"no time", "10%*0", "above 0"},
		{"no share", "0%*200ms", "more than 0%"},
		{"more than everybody", "101%*200ms", "less than 100%"},
	} {
		if s, err := ParseSlow(row.in); err == nil || !s.IsZero() || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q is %s, %v; want an error of one line that says %q", row.is, row.in, s, err, row.says)
		}
	}
}

func TestSpan(t *testing.T) {
	var s Span
	if err := json.Unmarshal([]byte(`"1.5s"`), &s); err != nil || s.Duration() != 1500*time.Millisecond || s.String() != "1500ms" {
		t.Errorf("1.5s is %v, %s, %v", s.Duration(), s, err)
	}
	if err := json.Unmarshal([]byte(`"5"`), &s); err == nil || !strings.Contains(err.Error(), "want 5us, 5ms or 5s") {
		t.Errorf("a span without a unit: %v", err)
	}
}

func FuzzParseCycle(f *testing.F) {
	for _, s := range []string{"", "0", "250ms*1,750ms*0", "1s*0.5,1s*1.5,1s*0.5", "1us*0.001", "1h*1000", "1s", ","} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCycle(s)
		if err != nil {
			if !c.IsZero() {
				t.Errorf("%q: an error and %s", s, c)
			}
			return
		}
		if again, err := ParseCycle(c.String()); err != nil || again != c || !again.Equal(c) {
			t.Errorf("%q is %s, which reads back as %s, %v", s, c, again, err)
		}
		// At whatever rate, arrivals come in order, and come.
		for _, rate := range []float64{0.001, 1, 5000, MaxRate} {
			if open := openLoop(rate, ArrivalsPoisson, c.String()); open.Validate() == nil {
				a, before := NewPlan(open, 1).Arrivals(0, 0), time.Duration(0)
				for range 100 {
					if at := a.Next(); at < before || at == never {
						t.Fatalf("%v/s, %s: after %v one is due after %v", rate, c, before, at)
					} else {
						before = at
					}
				}
			}
		}
	})
}

func FuzzParseSlow(f *testing.F) {
	for _, s := range []string{"", "0", "10%*200ms", "100%*1us", "0.0001%*1h", "%*", "10%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		slow, err := ParseSlow(s)
		if err != nil {
			if !slow.IsZero() {
				t.Errorf("%q: an error and %s", s, slow)
			}
			return
		}
		if again, err := ParseSlow(slow.String()); err != nil || again != slow || !again.Equal(slow) {
			t.Errorf("%q is %s, which reads back as %s, %v", s, slow, again, err)
		}
	})
}
