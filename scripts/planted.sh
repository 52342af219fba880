#!/usr/bin/env bash
# Do runs find a difference that is known to be there, and are their intervals right?
#
# Two servers that are the same but for this: one burns about 5 % more CPU per
# request (scripts/planted). They are compared again and again, by runs that
# differ in nothing but their seed. What was planted is best known by all runs
# together: it is the geometric mean of their estimates, and each run's interval
# should hold it.
#
# How much of a loop is 5 % depends on the machine. It is found out first, once,
# from what ten times as much costs. Nothing later is fitted to a result.
#
#     scripts/planted.sh                      20 runs, about half an hour
#     COUNT=3 BUDGET=20s scripts/planted.sh   a look
#     BURN=500 scripts/planted.sh             so much, instead of 5 %
#     BURN=0 scripts/planted.sh               nothing: what is found then is false
#
# COUNT      runs, with seeds from 1 on (20)
# BUDGET     of each (60s)
# PRECISION  of each (the default of run)
# SCENARIO   (keepalive)
# BURN       iterations of the loop after each answer (those that make 5 %)
# OUT        where the records of the runs go (nowhere)
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

COUNT=${COUNT:-20}
BUDGET=${BUDGET:-60s}
PRECISION=${PRECISION:-}
SCENARIO=${SCENARIO:-keepalive}
BURN=${BURN:-}
export LC_ALL=C # decimal points

die() {
	echo "planted.sh: $*" >&2
	exit 1
}

command -v jq >/dev/null || die "no jq here (sudo apt-get install jq)"
[[ $COUNT =~ ^[1-9][0-9]*$ ]] || die "COUNT=$COUNT: want a number of runs, 1 or more"
[[ $BURN =~ ^[0-9]*$ ]] || die "BURN=$BURN: want a number of iterations"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
OUT=${OUT:-$scratch/results}

workbench=$scratch/workbench
planted=$scratch/planted
go build -o "$workbench" ./cmd/workbench
go build -o "$planted" ./scripts/planted

"$workbench" doctor >"$scratch/doctor" 2>&1 || echo "planted.sh: this machine is not fit to measure on; what follows may mean nothing" >&2
grep -A2 -E '^(doubtful|bad) ' "$scratch/doctor" | grep -E '^(doubtful|bad| +(spoils|cure)) ' >&2 || true

# compare BURN ARGUMENT... runs once and prints: estimate, low, high, verdict,
# restarts, rounds that were left out, whether the run is suspect, and why there
# is no verdict. Low and high are "-" where there is no interval.
compare() {
	local burn=$1
	shift
	"$workbench" run --server "plain='$planted' --port {port}" --server "planted='$planted' --port {port} --burn $burn" \
		--reference plain --scenario "$SCENARIO" --format json --out "$OUT" "$@" >"$scratch/run.json" 2>"$scratch/run.err" ||
		die "run $*: $(tail -n 1 "$scratch/run.err")"
	jq -r '
		.experiments[0] as $e
		| $e.comparisons[] | select(.model == "planted" and .metric == "server_cpu_us_per_request")
		| [.ratio.estimate, .ratio.low // "-", .ratio.high // "-", .verdict, $e.blocks, $e.rounds_left_out, $e.suspect, .why // ""] | @tsv
	' "$scratch/run.json" >"$scratch/compared"
	[ -s "$scratch/compared" ] || die "run $*: no comparison of planted with plain: $(tail -n 1 "$scratch/run.err")"
	cat "$scratch/compared"
}

if [ -z "$BURN" ]; then
	# Much is measured better than little, but what is more than twice as much is
	# left out of most of a run.
	next=2500
	for _ in 1 2 3 4; do
		much=$next
		read -r estimate _ < <(compare "$much" --blocks 10 --budget 30s --seed 1000)
		share=$(awk -v r="$estimate" 'BEGIN { print r - 1 }')
		next=$(awk -v n="$much" -v s="$share" 'BEGIN { print int(n * (s > 0.1 ? 0.5 / s : 4) + 0.5) }')
		if awk -v s="$share" 'BEGIN { exit !(s > 0.35 && s < 0.75) }'; then break; fi
	done
	BURN=$(awk -v n="$much" -v s="$share" 'BEGIN { if (s > 0.2 && s < 1) print int(n * 0.05 / s + 0.5) }')
	[ -n "$BURN" ] || die "no loop of up to $much iterations costs what it should: is the machine idle?"
	echo "$much iterations cost $(awk -v s="$share" 'BEGIN { printf "%+.1f", 100 * s }') % of CPU per request, so that 5 % are $BURN"
fi
echo "$COUNT runs of $BUDGET under $SCENARIO, with $BURN iterations after each answer"
echo
form='%4s  %8s %8s %8s  %-8s %8s %8s  %s\n'
# shellcheck disable=SC2059 # the format is ours
row() { printf "$form" "$@"; }
row seed ratio low high verdict restarts left-out why
: >"$scratch/all"
for ((seed = 1; seed <= COUNT; seed++)); do
	line=$(compare "$BURN" --budget "$BUDGET" --seed "$seed" ${PRECISION:+--precision "$PRECISION"})
	echo "$line" >>"$scratch/all"
	read -r estimate low high verdict blocks out _ why <<<"$line"
	row "$seed" "$(printf %.4f "$estimate")" "${low:0:6}" "${high:0:6}" "$verdict" "$blocks" "$out" "$why"
done

echo
awk '
	{ low[NR] = $2; high[NR] = $3; verdict[NR] = $4; sum += log($1); found += $4 == "more"; wrong += $4 == "less"; suspect += $7 == "true" }
	END {
		pooled = exp(sum / NR)
		# An interval without a verdict counts for nothing: of few restarts it is as
		# wide as you like, and of a suspect run not to be believed.
		for (i = 1; i <= NR; i++) hold += verdict[i] != "none" && low[i] != "-" && low[i] <= pooled && pooled <= high[i]
		printf "planted: %.4f (geometric mean of the estimates)\n", pooled
		printf "found with the right sign: %d of %d%s\n", found, NR, asked(found, 18)
		printf "intervals that hold it: %d of %d%s\n", hold, NR, asked(hold, 17)
		if (wrong) printf "found with the wrong sign: %d\n", wrong
		if (suspect) printf "suspect, and without a verdict: %d\n", suspect
		if (NR != 20) print "Not 20 runs: a look, no answer."
	}
	function asked(k, bar) { return NR == 20 ? sprintf(", asked for %d: %s", bar, k >= bar ? "yes" : "no") : "" }
' "$scratch/all"
