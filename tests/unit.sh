#!/bin/sh
# Runs the unit test programs, two at once for each core since many of them wait, and adds up what
# cmocka or unittest counted. Usage: tests/unit.sh PROGRAM...
set -u
export SCANOUTD_FAKE_BIN="${SCANOUTD_FAKE_BIN:-build/san/scanoutd-fake}"
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"

# An empty /run for each, as in a container: scanout-run, as root, writes session files there.
run() {
	if [ "$(id -u)" -eq 0 ]; then
		timeout 240 unshare --mount sh -c 'mount -t tmpfs tmpfs /run && exec "$0"' "$1"
	else
		timeout 240 "$1"
	fi
}

# One program: its line, after what it said if it failed; its counts go into the directory $1.
one() {
	counts=$1 program=$2
	output=$(run "$program" 2>&1)
	status=$?
	ok=$(printf '%s\n' "$output" | sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' | tail -n 1)
	# Python's unittest says "Ran N tests", then OK or FAILED.
	[ -n "$ok" ] || ok=$(printf '%s\n' "$output" | sed -n 's/^Ran \([0-9]*\) test.*/\1/p')
	bad=$(printf '%s\n' "$output" | sed -n 's/^\[  FAILED  \] [^ ]*: \([0-9]*\) test.*/\1/p; s/^\[  FAILED  \] \([0-9]*\) test.*/\1/p' | tail -n 1)
	line="ok   ${program##*/}: $ok"
	# A program that dies, leaks or counts nothing has failed, whatever it printed before.
	if [ "$status" -ne 0 ] || [ "${ok:-0}" -eq 0 ]; then
		[ "${bad:-0}" -gt 0 ] || bad=1
		line="$output
FAIL ${program##*/} (exit status $status)"
	fi
	echo "${ok:-0} ${bad:-0}" > "$counts/$$"
	printf '%s\n' "$line" | flock "$counts" cat
}

if [ "${1:-}" = --one ]; then
	one "$2" "$3"
	exit
fi
counts=$(mktemp -d)
trap 'rm -rf "$counts"' EXIT
printf '%s\n' "$@" | xargs -d '\n' -n 1 -P "$((2 * $(nproc)))" "$0" --one "$counts"
# One that left no counts has failed as well.
awk -v programs=$# '{ ok += $1; bad += $2 }
	END { bad += programs - NR; printf "units: %d passed, %d failed\n", ok, bad; exit bad || !ok }' \
	"$counts"/*
