package result

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A packed histogram must be the one that was written, to the last bucket.
func TestAPackedHistogramIsTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 10, 100_000} {
		h := NewHistogram()
		for range n {
			h.Record(time.Duration(r.ExpFloat64() * float64(10*time.Millisecond)))
		}
		b, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		var packed Histogram
		if err := json.Unmarshal(b, &packed); err != nil {
			t.Fatal(err)
		}
		if packed.h != nil {
			t.Error("it isn't packed")
		}
		if again, err := json.Marshal(&packed); err != nil || string(again) != string(b) {
			t.Errorf("%d values: written again it is %s, was %s, %v", n, again, b, err)
		}
		merged := NewHistogram()
		if lost := merged.Merge(&packed); lost != 0 {
			t.Errorf("%d values: %d were lost", n, lost)
		}
		for _, got := range []*Histogram{&packed, merged} {
			if got.Count() != h.Count() || got.Sum() != h.Sum() || got.Max() != h.Max() || !got.open().Equals(h.h) {
				t.Errorf("%d values: count %d, sum %v, max %v; want %d, %v, %v, and every bucket the same",
					n, got.Count(), got.Sum(), got.Max(), h.Count(), h.Sum(), h.Max())
			}
		}
		packed.Record(time.Second) // unpacks it
		if packed.Count() != int64(n)+1 || packed.Max() < 999*time.Millisecond {
			t.Errorf("%d values and one more: count %d, max %v", n, packed.Count(), packed.Max())
		}
	}
}

func TestBucketValueIsHdrHistograms(t *testing.T) {
	h := hdrhistogram.New(histogramLowest, histogramHighest, histogramDigits)
	for i, bar := range h.Distribution() {
		if got := bucketValue(i); int64(got) != bar.From {
			t.Fatalf("bucket %d begins at %d, HdrHistogram says %d", i, got, bar.From)
		}
	}
	for v := int64(1); v < histogramHighest; v = v*3/2 + 1 {
		h.Reset()
		if err := h.RecordValue(v); err != nil {
			t.Fatal(err)
		}
		for i, n := range h.Export().Counts {
			if n > 0 && (uint64(v) < bucketValue(i) || uint64(v) >= bucketValue(i+1)) {
				t.Fatalf("%d is counted in bucket %d, which begins at %d", v, i, bucketValue(i))
			}
		}
	}
}
