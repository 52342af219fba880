package result

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The range of every histogram: nanoseconds up to two minutes with three
// significant digits, so that any two of them merge without loss.
const (
	histogramLowest  = int64(time.Nanosecond)
	histogramHighest = int64(2 * time.Minute)
	histogramDigits  = 3
)

// A Histogram holds durations, and their exact sum beside it, so that a mean
// is not one of buckets. It is not synchronised: one per goroutine, merged
// afterwards.
//
// One that was read from a record or from another process stays packed, a few
// KB, and merges from there: an experiment has thousands of them, and most of
// their 220 KB each would be zeros.
type Histogram struct {
	h   *hdrhistogram.Histogram // nil while packed
	sum time.Duration           // exact sum of what was recorded

	// While packed: what was read, the number of values in it, and the buckets
	// that are not empty, each as two uvarints: the distance of its lowest value
	// from that of the one before, and its count.
	encoded string
	n       int64
	buckets []byte
}

// NewHistogram returns an empty histogram. It takes about 220 KB.
func NewHistogram() *Histogram {
	return &Histogram{h: hdrhistogram.New(histogramLowest, histogramHighest, histogramDigits)}
}

// pack keeps the buckets of d that are not empty, and reports how many values
// they hold.
func (h *Histogram) pack(d *hdrhistogram.Histogram) (n int64) {
	before := uint64(0)
	for i, count := range d.Export().Counts {
		if count == 0 {
			continue
		}
		value := bucketValue(i)
		h.buckets = binary.AppendUvarint(h.buckets, value-before)
		h.buckets = binary.AppendUvarint(h.buckets, uint64(count))
		before = value
		n += count
	}
	return n
}

// bucketValue is the lowest value, in nanoseconds, that HdrHistogram counts in
// bucket i when its lowest discernible value is 1 and it has three digits: the
// first 2,048 buckets are one wide, the next 1,024 two, then four, and so on.
func bucketValue(i int) uint64 {
	const half = 1024
	if i < 2*half {
		return uint64(i)
	}
	return uint64(half+i%half) << (i/half - 1)
}

// addTo adds what is packed to o, and reports how many values didn't fit.
func (h *Histogram) addTo(o *hdrhistogram.Histogram) (dropped int64) {
	value := uint64(0)
	for b := h.buckets; len(b) > 0; {
		delta, n := binary.Uvarint(b)
		count, m := binary.Uvarint(b[n:])
		b = b[n+m:]
		value += delta
		if o.RecordValues(int64(value), int64(count)) != nil {
			dropped += int64(count)
		}
	}
	return dropped
}

// open returns the histogram, unpacked for the moment if it is packed.
func (h *Histogram) open() *hdrhistogram.Histogram {
	if h.h != nil {
		return h.h
	}
	o := NewHistogram().h
	h.addTo(o)
	return o
}

// unpack makes a histogram ready to be changed.
func (h *Histogram) unpack() {
	if h.h == nil {
		h.h, h.encoded, h.n, h.buckets = h.open(), "", 0, nil
	}
}

// Record counts one duration and reports whether it was in range. It doesn't
// allocate.
func (h *Histogram) Record(d time.Duration) bool {
	h.unpack()
	if h.h.RecordValue(int64(d)) != nil {
		return false
	}
	h.sum += d
	return true
}

// Count is the number of recorded durations.
func (h *Histogram) Count() int64 {
	if h.h == nil {
		return h.n
	}
	return h.h.TotalCount()
}

// Sum is the exact sum of the recorded durations.
func (h *Histogram) Sum() time.Duration { return h.sum }

// Mean is the exact mean of the recorded durations, 0 where there is none.
func (h *Histogram) Mean() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return h.sum / time.Duration(h.Count())
}

// Quantile returns the value below or at which the share q (0 to 1) of the
// durations lies, to three significant digits.
func (h *Histogram) Quantile(q float64) time.Duration {
	return time.Duration(h.open().ValueAtQuantile(100 * q))
}

// Max is the longest recorded duration, to three significant digits.
func (h *Histogram) Max() time.Duration { return time.Duration(h.open().Max()) }

// Merge adds all that o holds and returns how many values did not fit: 0,
// since every histogram here has the same range.
func (h *Histogram) Merge(o *Histogram) (dropped int64) {
	h.unpack()
	h.sum += o.sum
	if o.h == nil {
		return o.addTo(h.h)
	}
	return h.h.Merge(o.h)
}

// Reset empties the histogram and keeps its memory.
func (h *Histogram) Reset() {
	h.unpack()
	h.h.Reset()
	h.sum = 0
}

type histogramJSON struct {
	N     int64  `json:"n"`
	SumNs int64  `json:"sum_ns"`
	HDR   string `json:"hdr,omitempty"` // V2 compressed encoding of HdrHistogram, base64
}

// MarshalJSON writes the histogram in HdrHistogram's own compressed encoding,
// which other tools read too.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	j := histogramJSON{N: h.Count(), SumNs: int64(h.sum)}
	switch {
	case h.h == nil:
		j.HDR = h.encoded
	case j.N > 0:
		b, err := h.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
		if err != nil {
			return nil, fmt.Errorf("encode histogram: %w", err)
		}
		j.HDR = string(b)
	}
	return json.Marshal(j)
}

// UnmarshalJSON is the inverse of MarshalJSON, and as strict as all that reads
// a record: what encoding/json was told of unknown keys doesn't reach here.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var j histogramJSON
	if err := strictly(b, &j); err != nil {
		return err
	}
	*h = Histogram{encoded: j.HDR, n: j.N, sum: time.Duration(j.SumNs)}
	if j.N == 0 && j.HDR == "" {
		return nil
	}
	d, err := hdrhistogram.Decode([]byte(j.HDR))
	if err != nil {
		return fmt.Errorf("decode histogram: %w", err)
	}
	if d.LowestTrackableValue() != histogramLowest || d.HighestTrackableValue() != histogramHighest || d.SignificantFigures() != histogramDigits {
		return fmt.Errorf("decode histogram: its range is %d to %d with %d digits, want %d to %d with %d",
			d.LowestTrackableValue(), d.HighestTrackableValue(), d.SignificantFigures(), histogramLowest, histogramHighest, histogramDigits)
	}
	if n := h.pack(d); n != j.N {
		return fmt.Errorf("decode histogram: says %d values, holds %d", j.N, n)
	}
	return nil
}
