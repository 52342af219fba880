package scenario

import (
	"strings"
	"testing"
	"time"
)

func TestParseDist(t *testing.T) {
	for _, row := range []struct {
		is, in, canonical string
		mean              time.Duration
	}{
		{"nothing", "0", "0", 0},
		{"nothing, with a unit", "0ms", "0", 0},
		{"a constant", "5ms", "5ms", 5 * time.Millisecond},
		{"a constant in another unit", "0.005s", "5ms", 5 * time.Millisecond},
		{"no round number of milliseconds", "1.5ms", "1500us", 1500 * time.Microsecond},
		{"the Greek letter", "200µs", "200us", 200 * time.Microsecond},
		{"minutes", "1m", "60s", time.Minute},
		{"an exponential", "exp:5ms", "exp:5ms", 5 * time.Millisecond},
		{"two points", "two:99%*2ms,1%*100ms", "two:99%*2ms,1%*100ms", 2980 * time.Microsecond},
		{"two points, the upper first", "two:1%*100ms,99%*2ms", "two:99%*2ms,1%*100ms", 2980 * time.Microsecond},
		{"shares with decimals", "two:99.95%*0,0.0500%*2s", "two:99.95%*0,0.05%*2s", time.Millisecond},
		{"a lognormal", "lognormal:5ms,cs2=4", "lognormal:5ms,cs2=4", 5 * time.Millisecond},
		{"a lognormal that hardly varies", "lognormal:200us,cs2=0.001", "lognormal:200us,cs2=0.001", 200 * time.Microsecond},
		{"a lognormal with decimals", "lognormal:0.2s,cs2=1.250", "lognormal:200ms,cs2=1.25", 200 * time.Millisecond},
		{"the most varied lognormal", "lognormal:1h,cs2=1000", "lognormal:3600s,cs2=1000", time.Hour},
		{"the longest of all, where a product is largest", "two:0.0001%*1us,99.9999%*1h", "two:0.0001%*1us,99.9999%*3600s", 3599996400 * time.Microsecond},
	} {
		d, err := ParseDist(row.in)
		if err != nil {
			t.Errorf("%s: %v", row.is, err)
			continue
		}
		if d.String() != row.canonical || d.Mean() != row.mean {
			t.Errorf("%s: %s is %s with mean %v, want %s with mean %v", row.is, row.in, d, d.Mean(), row.canonical, row.mean)
		}
		if again, err := ParseDist(d.String()); err != nil || again != d || !again.Equal(d) {
			t.Errorf("%s: %s reads back as %s, %v", row.is, d, again, err)
		}
		if d.IsZero() != (row.canonical == "0") {
			t.Errorf("%s: IsZero is %v", row.is, d.IsZero())
		}
	}
}

func TestParseDistSaysWhatWouldBeRight(t *testing.T) {
	for _, row := range []struct{ is, in, says string }{
		{"empty", "", "want a number and a unit"},
		{"no unit", "5", "want 5us, 5ms or 5s"},
		{"no number", "ms", "want a number and a unit"},
		{"negative", "-5ms", "negative"},
		{"too fine", "1500ns", "whole microseconds"},
		{"absurd", "3h", "at most an hour"},
		{"beyond what a duration holds", "9999999h", "want a number and a unit"},
		{"an exponential of nothing", "exp:0", "mean above 0"},
		{"an exponential without a unit", "exp:5", "want 5us"},
		{"the word in full", "exponential:5ms", "want 5ms, exp:5ms, two:99%*2ms,1%*100ms or lognormal:5ms,cs2=4"},
		{"a lognormal without its spread", "lognormal:5ms", "lognormal:5ms,cs2=4"},
		{"a lognormal with a spread of another kind", "lognormal:5ms,sigma=2", "lognormal:5ms,cs2=4"},
		{"a lognormal of nothing", "lognormal:0,cs2=4", "mean above 0"},
		{"a lognormal without a unit", "lognormal:5,cs2=4", "want 5us"},
		{"a lognormal without variation", "lognormal:5ms,cs2=0", "without any variation it is 5ms"},
		{"a lognormal too varied", "lognormal:5ms,cs2=1000.001", "at most 1000"},
		{"a spread too fine", "lognormal:5ms,cs2=0.0001", "three decimals"},
		{"a negative spread", "lognormal:5ms,cs2=-1", "above 0"},
		{"a spread in words", "lognormal:5ms,cs2=much", "above 0"},
		{"a spread too many", "lognormal:5ms,cs2=4,cs2=5", "three decimals"},
		{"one point", "two:100%*5ms", "want two points"},
		{"three points", "two:50%*1ms,25%*2ms,25%*3ms", "want two points"},
		{"a point without a share", "two:5ms,1%*100ms", "SHARE%*DURATION"},
		{"a share without its sign", "two:99*2ms,1%*100ms", "percentage"},
		{"a share in words", "two:most%*2ms,1%*100ms", "percentage"},
		{"a share too fine", "two:99.99999%*2ms,0.00001%*1s", "four decimals"},
		{"a share that ends in a point", "two:99.%*2ms,1%*1s", "percentage"},
		{"a share of nothing", "two:0%*2ms,100%*100ms", "more than 0%"},
		{"shares of less than all", "two:98%*2ms,1%*100ms", "make 99% together"},
		{"shares of more than all", "two:99%*2ms,1.5%*100ms", "make 100.5% together"},
		{"one point twice", "two:99%*2ms,1%*2ms", "want 2ms"},
	} {
		d, err := ParseDist(row.in)
		if err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %q gives %s, %v; want an error that says %q", row.is, row.in, d, err, row.says)
		}
	}
}

func FuzzParseDist(f *testing.F) {
	for _, s := range []string{"0", "5ms", "exp:5ms", "two:99%*2ms,1%*100ms", "two:99.95%*0,0.05%*2s", "lognormal:5ms,cs2=4", "lognormal:1h,cs2=1000", "lognormal:1us,cs2=0.001", "1h", "-1us", "two:,", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDist(s)
		if err != nil {
			if d != (Dist{}) {
				t.Errorf("%q: an error and %s", s, d)
			}
			return
		}
		if mean := d.Mean(); mean < 0 || mean > distMost {
			t.Errorf("%q: mean %v", s, mean)
		}
		if again, err := ParseDist(d.String()); err != nil || again != d {
			t.Errorf("%q is %s, which reads back as %s, %v", s, d, again, err)
		}
		if rare := d.rare(); rare < 0 || rare > distMost {
			t.Errorf("%q: %v is rare", s, rare)
		}
		for _, random := range []uint64{0, 1 << 63, 1<<64 - 1} {
			if us := d.draw(random, MaxWait.Microseconds()); us < 0 || us > distMost.Microseconds() {
				t.Errorf("%s draws %d µs", d, us)
			}
		}
	})
}

func TestParseBytes(t *testing.T) {
	for _, row := range []struct {
		in, canonical string
		n             int64
	}{
		{"0", "0", 0},
		{"14", "14B", 14},
		{"4096", "4KiB", 4096},
		{"4KiB", "4KiB", 4096},
		{"4097B", "4097B", 4097},
		{"16MiB", "16MiB", 16 << 20},
		{"1024GiB", "1024GiB", 1 << 40},
	} {
		n, err := ParseBytes(row.in)
		if err != nil || n != row.n || FormatBytes(n) != row.canonical {
			t.Errorf("ParseBytes(%q) = %d (%s), %v; want %d (%s)", row.in, n, FormatBytes(n), err, row.n, row.canonical)
		}
	}
	for _, in := range []string{"", "B", "4KB", "4k", "-1", "+1", "1.5KiB", "4 KiB", "1025GiB", "99999999999999999999", "9223372036854775807GiB"} {
		if n, err := ParseBytes(in); err == nil || !strings.Contains(err.Error(), "want") {
			t.Errorf("ParseBytes(%q) = %d, %v; want an error that says what would be right", in, n, err)
		}
	}
}

func FuzzParseBytes(f *testing.F) {
	for _, s := range []string{"0", "4096", "4KiB", "1GiB", "1B", "KiB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseBytes(s)
		if err != nil {
			return
		}
		if n < 0 || n > 1<<40 {
			t.Errorf("%q is %d", s, n)
		}
		if again, err := ParseBytes(FormatBytes(n)); err != nil || again != n {
			t.Errorf("%q is %d, written %s, read back %d, %v", s, n, FormatBytes(n), again, err)
		}
	})
}
