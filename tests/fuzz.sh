#!/bin/sh
# Runs each fuzz target for some seconds on fresh seeds. Usage: tests/fuzz.sh FOLDER SECONDS NAME...
set -eu
folder=$1 seconds=$2
shift 2
seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
/usr/bin/python3 tests/fuzz/seeds.py "$seeds"
for name in "$@"; do
	corpus="$seeds/fuzz_$name"
	mkdir -p "$corpus"
	if "$folder/fuzz_$name" -max_total_time="$seconds" -print_final_stats=1 \
		-artifact_prefix="$folder/" "$corpus" >"$folder/$name.log" 2>&1; then
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/$name.log")
		echo "fuzz $name: $runs inputs in $seconds s, no finding"
	else
		tail -n 40 "$folder/$name.log"
		echo "fuzz $name: found something; the input is in $folder"
		exit 1
	fi
done
