#!/usr/bin/env bash
# Plays the sweeps that are shipped, and refreshes what of them is published.
#
# First whether identical models come out the same, since the others mean
# nothing where they don't; then models, clients, workers and limits, and at last
# the whole family and where its ranking turns round. Each file says what it asks.
# All of them take about 90 minutes at most, on an otherwise idle machine: see
# workbench doctor.
#
# Records go to results/sweeps/NAME. A sweep that is finished is copied to
# results/published at once, small enough for git; only when the new copy is
# there does an older one of the same sweep go. At the end results/README.md,
# their index, is made again. What is not finished is not published: that is
# said, and the others go on.
#
# Interrupted or killed, the next start goes on where this one was, and repeats
# nothing that is finished. After all have been published it begins anew.
#
#     scripts/sweeps.sh
#     scripts/sweeps.sh same models           these alone
#     RESULTS=/tmp/results scripts/sweeps.sh  leaves what is published here alone
#
# RESULTS      directory of results (results)
set -euo pipefail
shopt -s inherit_errexit nullglob
cd "$(dirname "$0")/.."

RESULTS=${RESULTS:-results}
export LC_ALL=C # the order of names

die() {
	echo "sweeps.sh: $*" >&2
	exit 1
}

say() { echo "sweeps.sh: $*" >&2; }

sweeps=(same models clients workers limits family crossover)
[ $# = 0 ] || sweeps=("$@")
for name in "${sweeps[@]}"; do
	[ -f "scripts/$name.yaml" ] || die "no sweep $name (scripts/$name.yaml isn't there)"
done

records=$RESULTS/sweeps
published=$RESULTS/published
mkdir -p "$records" "$published"

scratch=$(mktemp -d)
cleanup() { rm -rf "$scratch"; }
trap cleanup EXIT
interrupted() {
	say "interrupted: started again it goes on where it was"
	exit 130
}
trap interrupted INT TERM

workbench=$scratch/workbench
go build -o "$workbench" ./cmd/workbench

"$workbench" doctor >"$scratch/doctor" 2>&1 || say "this machine is not fit to measure on; what follows may mean nothing"
grep -A2 -E '^(doubtful|bad) ' "$scratch/doctor" | grep -E '^(doubtful|bad| +(spoils|cure)) ' >&2 || true

# newest DIR is the last record in it, by the time in its name.
newest() {
	local all=("$1"/????????T??????Z-*/run.json)
	[ ${#all[@]} = 0 ] || dirname "${all[-1]}"
}

# cut_short RECORD: whether some of its experiments were not played to their end.
cut_short() { grep -qE '"stopped_by": *"(interrupt)?"' "$1/run.json"; }

# play NAME plays a sweep, or goes on with it, and leaves its record's path in
# NAME.record: from then on it is played.
play() {
	local name=$1 record before='' status=0
	record=$(newest "$records/$name")
	if [ -n "$record" ] && cut_short "$record"; then
		rm -f "$records/$name/over"
		say "$name goes on in $record"
		"$workbench" sweep --resume "$record" || status=$?
	elif [ -z "$record" ] || [ -e "$records/$name/over" ]; then
		say "$name begins: $("$workbench" sweep "scripts/$name.yaml" --dry-run | tail -n 1)"
		rm -f "$records/$name/over"
		before=$record
		"$workbench" sweep "scripts/$name.yaml" --out "$records/$name" || status=$?
		record=$(newest "$records/$name")
	else
		say "$name is played already: $record"
	fi
	[ $status != 130 ] || interrupted
	[ $status != 2 ] || die "$name can't be played${record:+ (without $record it would begin anew)}"
	[ "$record" != "$before" ] || die "$name left no record"
	echo "$record" >"$scratch/$name.record"
	[ $status = 0 ] || failed+=("$name ended with exit status $status, its record is $record")
}

# publish NAME copies its record to what is published, in place of older ones.
publish() {
	local name=$1 record old
	record=$(cat "$scratch/$name.record")
	if ! "$workbench" report "$record" --publish "$published" >"$scratch/report"; then
		failed+=("$name is not published, its record is $record (the next start tries again; without it, $name begins anew)")
		return
	fi
	refreshed+=("$name")
	for old in "$published"/????????T??????Z-"$name"; do
		[ "$(basename "$old")" = "$(basename "$record")" ] || rm -r "$old"
	done
	say "$name is published: $published/$(basename "$record")"
}

failed=() refreshed=()
for name in "${sweeps[@]}"; do
	mkdir -p "$records/$name"
	play "$name"
	publish "$name"
done
"$workbench" report --index "$RESULTS"
for name in ${refreshed[@]+"${refreshed[@]}"}; do # the next start begins anew
	touch "$records/$name/over"
done

for what in ${failed[@]+"${failed[@]}"}; do say "$what"; done
[ ${#failed[@]} = 0 ]
