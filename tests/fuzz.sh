#!/bin/sh
# Runs all fuzz targets at once for some seconds on fresh seeds.
# Usage: tests/fuzz.sh FOLDER SECONDS NAME...
set -eu
folder=$1 seconds=$2
shift 2
seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
export LSAN_OPTIONS="suppressions=$PWD/tests/libsystemd.supp"
/usr/bin/python3 tests/fuzz/seeds.py "$seeds"

# One target, and what became of it.
one() {
	corpus="$seeds/fuzz_$1"
	mkdir -p "$corpus"
	if "$folder/fuzz_$1" -max_total_time="$seconds" -print_final_stats=1 \
		-artifact_prefix="$folder/" "$corpus" >"$folder/$1.log" 2>&1; then
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/$1.log")
		echo "fuzz $1: $runs inputs in $seconds s, no finding"
	else
		tail -n 40 "$folder/$1.log"
		echo "fuzz $1: found something; the input is in $folder"
		return 1
	fi
}

pids=''
for name in "$@"; do
	one "$name" &
	pids="$pids $!"
done
failed=0
for pid in $pids; do
	wait "$pid" || failed=1
done
exit "$failed"
