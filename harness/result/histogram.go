package result

import (
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
// hundred bytes, until it is looked into, and is packed again then: an
// experiment has thousands of them.
type Histogram struct {
	h      *hdrhistogram.Histogram // nil while packed
	packed []byte                  // HdrHistogram's compressed encoding
	n      int64                   // of what is packed
	sum    time.Duration           // exact sum of what was recorded
}

// NewHistogram returns an empty histogram. It takes about 220 KB.
func NewHistogram() *Histogram {
	return &Histogram{h: hdrhistogram.New(histogramLowest, histogramHighest, histogramDigits)}
}

// open returns the histogram, unpacked for the moment if it is packed. One
// that was packed by another program may have another range.
func (h *Histogram) open() *hdrhistogram.Histogram {
	switch {
	case h.h != nil:
		return h.h
	case h.n == 0:
		return NewHistogram().h
	}
	open, err := hdrhistogram.Decode(h.packed)
	if err != nil { // it was tried when it was read
		panic(fmt.Sprintf("a packed histogram changed in memory: %v", err))
	}
	return open
}

// unpack makes a histogram ready to be changed.
func (h *Histogram) unpack() {
	own := NewHistogram().h
	own.Merge(h.open())
	h.h, h.packed, h.n = own, nil, 0
}

// Record counts one duration and reports whether it was in range. It doesn't
// allocate.
func (h *Histogram) Record(d time.Duration) bool {
	if h.h == nil {
		h.unpack()
	}
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
	if h.h == nil {
		h.unpack()
	}
	h.sum += o.sum
	if o.Count() == 0 {
		return 0
	}
	return h.h.Merge(o.open())
}

// Reset empties the histogram and keeps its memory.
func (h *Histogram) Reset() {
	if h.h == nil {
		h.unpack()
	}
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
		j.HDR = string(h.packed)
	case j.N > 0:
		b, err := h.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
		if err != nil {
			return nil, fmt.Errorf("encode histogram: %w", err)
		}
		j.HDR = string(b)
	}
	return json.Marshal(j)
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var j histogramJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*h = Histogram{packed: []byte(j.HDR), n: j.N, sum: time.Duration(j.SumNs)}
	if j.N == 0 {
		return nil
	}
	d, err := hdrhistogram.Decode(h.packed)
	if err != nil {
		return fmt.Errorf("decode histogram: %w", err)
	}
	// Merged into one of our range, it must lose nothing.
	own := NewHistogram()
	if lost := own.h.Merge(d); lost != 0 || own.h.TotalCount() != j.N {
		return fmt.Errorf("decode histogram: says %d values, holds %d", j.N, own.h.TotalCount()-lost)
	}
	return nil
}
