package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"workbench/harness/result"
)

// Published is a record that is kept for reading.
type Published struct {
	Dir string // relative to the index, with slashes: "published/20260102T150405Z-tour"
	Run result.Run
}

// indexHead is what stands above the list, in every index.
const indexHead = `# Results

Every ` + "`workbench run` and `workbench sweep`" + ` leaves a directory here, ` + "`<UTC time>-<name>/`" + `, unless told otherwise with ` + "`--out`" + `:

| file | what it holds |
|---|---|
| ` + "`run.json`" + ` | the plan, the environment, every cell and comparison (schema ` + "`" + result.RunSchema + "`" + `) |
| ` + "`slices/*.jsonl`" + ` | one file per experiment, one line per slice: all that was seen, histograms included; compressed to ` + "`*.jsonl.gz`" + ` when the experiment is over |
| ` + "`answer.md`" + ` | table and answer of each experiment, for reading |
| ` + "`table.md`, `table.csv`" + ` | the figures alone |
| ` + "`bench.txt`" + ` | the samples in Go's benchmark format, for benchstat |
| ` + "`sweep.yaml`" + ` | of a sweep: the file that it was made from |
| ` + "`cut/`" + ` | of a sweep that was taken up again: the slices of experiments that a kill had cut short, kept and in no table |

Everything but the plan and the slices is made from the slices, and ` + "`workbench report DIR`" + ` makes it again, byte for byte.
Runs of your own are ignored by git. What is under ` + "`published/`" + ` is kept for reading: copies made with
` + "`workbench report DIR --publish results/published`" + `, whose histograms are merged by restart.

## Published

`

// Index is the README.md beside the published records: what was run, when, on
// what machine, how long it took, and the finding of each in a sentence. It
// lists them by the names of their directories, which begin with their time.
func Index(records []Published) string {
	var b strings.Builder
	b.WriteString(indexHead)
	if len(records) == 0 {
		b.WriteString("Nothing yet.\n")
		return b.String()
	}
	b.WriteString("What each found, in a sentence; its answer and its tables say more. This list is made from the records by\n`workbench report --index results`.\n")
	for _, r := range slices.SortedFunc(slices.Values(records), func(a, b Published) int { return strings.Compare(a.Dir, b.Dir) }) {
		indexed(&b, r)
	}
	return b.String()
}

func indexed(b *strings.Builder, r Published) {
	run := r.Run
	fmt.Fprintf(b, "\n### %s, %s\n\n", escape(run.Name), run.Started.UTC().Format("2006-01-02 15:04 UTC"))
	fmt.Fprintf(b, "%s\n\n", escape(strings.Join(slices.Concat([]string{played(run)}, machine(run.Environment), []string{revision(run.Environment)}), " · ")))
	for i, question := range run.Questions {
		lead := ""
		if len(run.Questions) > 1 {
			lead = fmt.Sprintf("%d. ", i+1)
		}
		fmt.Fprintf(b, "%s%s **%s**\n\n", lead, escape(question), escape(strings.TrimSpace(findingOf(ofGrid(run, i))+" "+expectedBriefly(run, i))))
	}
	if len(run.Questions) == 0 {
		fmt.Fprintf(b, "**%s**\n\n", escape(Finding(run)))
	}
	fmt.Fprintf(b, "[answer](%s/answer.md) · [tables](%s/table.md)", r.Dir, r.Dir)
	if run.Command != "" {
		fmt.Fprintf(b, " · again: `%s`", strings.ReplaceAll(run.Command, "`", "'"))
	}
	b.WriteString("\n")
}

func ofGrid(run result.Run, grid int) (within []result.Experiment) {
	for _, e := range run.Experiments {
		if e.Grid == grid {
			within = append(within, e)
		}
	}
	return within
}

// played is what was run and for how long: "keepalive, io and mixed in 62 s".
func played(run result.Run) string {
	var names []string
	took := 0.0
	for _, e := range run.Experiments {
		names = append(names, e.Name)
		took += e.DurationS
	}
	what := list(names)
	if len(names) > 5 {
		what = count(len(names), "experiment")
	}
	return what + " in " + lasted(took)
}

func lasted(seconds float64) string {
	if d := time.Duration(seconds * float64(time.Second)); d >= 3*time.Minute {
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f s", seconds)
}
