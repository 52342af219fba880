#!/usr/bin/env bash
# What do our clients cost beside wrk's, and do they get as much out of a server?
#
# One and the same server on one CPU, clients on another: wrk -t1 -c64 and ours
# with 64 clients take turns, round after round, in random order, with
# keep-alive and with a connection for each request. Both are whole processes,
# and the CPU time of each is what the shell is told of it when it ends, start
# included. Ours check every response, record every latency, and time a
# request from before its connect; wrk does none of this.
#
# A round gives the ratio ours/wrk of CPU time per request and of requests/s;
# what counts is the median of the rounds. The machine should be idle: see
# workbench doctor.
#
#     scripts/wrk.sh
#     ROUNDS=21 LENGTH=1 scripts/wrk.sh       more rounds, shorter
#     MODEL=iterative ENGINE=net scripts/wrk.sh
#
# ROUNDS       rounds (9)
# LENGTH       of a turn, whole seconds (2)
# MODEL        that the server runs (goroutine)
# ENGINE       of our clients (the default here)
# CLIENTS      at once (64)
# SERVER_CPU   (0)
# CLIENT_CPU   (1)
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

ROUNDS=${ROUNDS:-9}
LENGTH=${LENGTH:-2}
MODEL=${MODEL:-goroutine}
ENGINE=${ENGINE:-}
CLIENTS=${CLIENTS:-64}
SERVER_CPU=${SERVER_CPU:-0}
CLIENT_CPU=${CLIENT_CPU:-1}
export LC_ALL=C # decimal points

die() {
	echo "wrk.sh: $*" >&2
	exit 1
}

command -v wrk >/dev/null || die "no wrk here (sudo apt-get install wrk)"
command -v taskset >/dev/null || die "no taskset here (sudo apt-get install util-linux)"

scratch=$(mktemp -d)
server=
cleanup() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

workbench=$scratch/workbench
go build -o "$workbench" ./cmd/workbench

"$workbench" doctor >"$scratch/doctor" 2>&1 || echo "wrk.sh: this machine is not fit to measure on; what follows may mean nothing" >&2
grep -A2 -E '^(doubtful|bad) ' "$scratch/doctor" | grep -E '^(doubtful|bad| +(spoils|cure)) ' >&2 || true

# The server says which port it got.
mkfifo "$scratch/said"
taskset -c "$SERVER_CPU" "$workbench" serve --model "$MODEL" --addr 127.0.0.1:0 >"$scratch/said" 2>"$scratch/server.err" &
server=$!
read -r -t 10 line <"$scratch/said" || die "the server didn't start: $(cat "$scratch/server.err")"
port=$(sed -n 's/^Serving HTTP on port \([0-9]*\) .*/\1/p' <<<"$line")
[ -n "$port" ] || die "the server said: $line"

# timed FILE COMMAND... runs a command on the clients' CPU, its output to FILE,
# and leaves its user and system CPU time, seconds, in FILE.cpu.
timed() {
	local out=$1
	shift
	local TIMEFORMAT='%U %S'
	{ time taskset -c "$CLIENT_CPU" "$@" >"$out" 2>"$out.err"; } 2>"$out.cpu" || die "$*: $(cat "$out.err")"
}

# Each client prints: requests, requests/s, p50 in µs, p99 in µs.

play_wrk() { # MANNER
	local header=()
	[ "$1" = keepalive ] || header=(-H 'Connection: close')
	timed "$scratch/wrk" wrk -t1 -c"$CLIENTS" -d"${LENGTH}s" --latency "${header[@]}" "http://127.0.0.1:$port/"
	if grep -E 'Socket errors|Non-2xx' "$scratch/wrk" >&2; then die "wrk saw errors"; fi
	awk '
		function us(t) { return t * (t ~ /us$/ ? 1 : t ~ /ms$/ ? 1e3 : t ~ /m$/ ? 6e7 : 1e6) }
		$1 == "50%" { p50 = us($2) }
		$1 == "99%" { p99 = us($2) }
		/ requests in / { n = $1 }
		/^Requests\/sec:/ { rate = $2 }
		END { print n, rate, p50, p99 }
	' "$scratch/wrk"
}

play_ours() { # MANNER
	local each=1 # requests on a connection
	[ "$1" = close ] || each=1000000 # more than one will see
	timed "$scratch/ours" "$workbench" clients --addr "127.0.0.1:$port" --clients "$CLIENTS" --for "${LENGTH}s" \
		--requests-per-connection "$each" ${ENGINE:+--engine "$ENGINE"}
	[ "$(field failed)" = 0 ] || die "our clients saw errors: $(cat "$scratch/ours")"
	awk -v all="$(field requests_all)" -v n="$(field requests)" -v us="$(field window_us)" -v p50="$(field p50_us)" -v p99="$(field p99_us)" \
		'BEGIN { print all, n / us * 1e6, p50, p99 }'
}

# field NAME is a number of what our clients printed.
field() { sed -n 's/.*"'"$1"'":\([-+.0-9e]*\).*/\1/p' "$scratch/ours"; }

# turn WHO MANNER plays one turn and prints: requests/s, CPU µs per request, p50, p99.
turn() {
	local figures
	figures=$("play_$1" "$2")
	awk -v f="$figures" '{ split(f, x); print x[2], ($1 + $2) * 1e6 / x[1], x[3], x[4] }' "$scratch/$1.cpu"
}

echo "$(wrk --version 2>&1 | sed -n '1s/ Copyright.*//p') beside ours, $CLIENTS clients, $MODEL on CPU $SERVER_CPU, clients on CPU $CLIENT_CPU, $ROUNDS rounds of $LENGTH s each"
echo
form='%-5s  %-9s  %8s %8s %6s  %7s %7s %6s  %7s %7s %8s %8s\n'
# shellcheck disable=SC2059 # the format is ours
row() { printf "$form" "$@"; }
row '' '' requests/s '' '' 'CPU us' '' '' 'p50 us' '' 'p99 us' ''
row round manner wrk ours ratio wrk ours ratio wrk ours wrk ours

for ((round = 1; round <= ROUNDS; round++)); do
	for manner in $(shuf -e keepalive close); do
		declare -A got=()
		for who in $(shuf -e wrk ours); do
			got[$who]=$(turn "$who" "$manner")
		done
		read -r -a w <<<"${got[wrk]}"
		read -r -a o <<<"${got[ours]}"
		read -r more cost < <(awk -v w="${got[wrk]}" -v o="${got[ours]}" 'BEGIN { split(w, a); split(o, b); printf "%.4f %.4f\n", b[1] / a[1], b[2] / a[2] }')
		echo "$more" >>"$scratch/$manner.throughput"
		echo "$cost" >>"$scratch/$manner.cpu"
		row "$round" "$manner" "$(printf %.0f "${w[0]}")" "$(printf %.0f "${o[0]}")" "$(printf %.3f "$more")" \
			"$(printf %.2f "${w[1]}")" "$(printf %.2f "${o[1]}")" "$(printf %.3f "$cost")" \
			"$(printf %.0f "${w[2]}")" "$(printf %.0f "${o[2]}")" "$(printf %.0f "${w[3]}")" "$(printf %.0f "${o[3]}")"
	done
done

# verdict FILE WANT LIMIT prints the median and extremes of a ratio, and
# whether it is within what is asked for: "<=" or ">=" LIMIT.
verdict() {
	sort -g "$1" | awk -v want="$2" -v limit="$3" '
		{ x[NR] = $1 }
		END {
			m = NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2
			ok = want == "<=" ? m <= limit : m >= limit
			printf "median %.3f (%.3f to %.3f), asked for %s %.2f: %s\n", m, x[1], x[NR], want, limit, ok ? "yes" : "no"
		}'
}

echo
echo "ours / wrk"
echo "keepalive  CPU per request  $(verdict "$scratch/keepalive.cpu" '<=' 0.92)"
echo "close      CPU per request  $(verdict "$scratch/close.cpu" '<=' 1.00)"
echo "keepalive  requests/s       $(verdict "$scratch/keepalive.throughput" '>=' 1.00)"
echo "close      requests/s       $(verdict "$scratch/close.throughput" '>=' 1.00)"
if ((ROUNDS < 9)); then echo "Fewer than nine rounds: a look, no answer."; fi
