package exchange

import (
	"bytes"
	"testing"
)

// A head that is kept outlives the driver's memory, which the next talk uses: in
// the room that was given, where it fits, or else elsewhere.
func TestKeptHeadsStay(t *testing.T) {
	for _, tt := range []struct {
		name string
		room []byte
		used bool
	}{
		{"room enough", make([]byte, readSize), true},
		{"too little room", make([]byte, 8), false},
		{"no room", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x, err := New(DefaultOptions())
			if err != nil {
				t.Fatal(err)
			}
			d := x.NewDriver(t.Context())
			ask := func(talk *Talk, request string) {
				d.Accept(talk)
				d.Hold(talk, -1)
				if step := d.Next(talk); step != ToReceive {
					t.Fatalf("step %v at the beginning", step)
				}
				d.Received(talk, []byte(request))
				if step := d.Next(talk); step != ToSend {
					t.Fatalf("step %v after a request", step)
				}
			}
			var first, second Talk
			ask(&first, "GET /?bytes=9 HTTP/1.1\r\nHost: h\r\n\r\n")
			d.KeepIn(&first, tt.room)
			kept := first.Unsent(make([][]byte, 0, 2))[0]
			want := bytes.Clone(kept)
			ask(&second, "nonsense\r\n\r\n")
			if !bytes.Equal(kept, want) {
				t.Errorf("after another answer %q is to be sent, want %q", kept, want)
			}
			if used := len(tt.room) > 0 && &kept[0] == &tt.room[0]; used != tt.used {
				t.Errorf("the room is used: %v", used)
			}
			d.Sent(&first, 1) // keeping again must not move what is half sent
			d.KeepIn(&first, tt.room)
			if rest := first.Unsent(make([][]byte, 0, 2))[0]; &rest[0] != &kept[1] {
				t.Error("what is left was kept again")
			}
			d.Closed(&first)
			d.Closed(&second)
		})
	}
}
