#!/bin/sh
# Runs the unit test programs, two at once for each core since many of them wait, and adds up what
# cmocka or unittest counted. Each may take as long as it moves (tests/watch.py).
# Usage: tests/unit.sh PROGRAM...
set -u
export SCANOUTD_FAKE_BIN="${SCANOUTD_FAKE_BIN:-build/san/scanoutd-fake}"
export SCANOUT_FRONT="${SCANOUT_FRONT:-build/san/scanout-front}"
export SCANOUT_FRONT_FAULT="${SCANOUT_FRONT_FAULT:-build/san/scanout-front-fault}"
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0:handle_abort=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"

# An empty /run for each, as in a container: scanout-run, as root, writes session files there.
run() {
	if [ "$(id -u)" -eq 0 ]; then
		tests/watch.py --say "$1" "$2" \
			unshare --mount sh -c 'mount -t tmpfs tmpfs /run && exec "$0"' "$3"
	else
		tests/watch.py --say "$1" "$2" "$3"
	fi
}

# One program: its line, after what it said if it failed; its counts go into the directory $1.
one() {
	counts=$1 program=$2 log=$1/logs/$$
	run "$counts" "$log" "$program"
	status=$?
	ok=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" | tail -n 1)
	# Python's unittest says "Ran N tests", then OK or FAILED.
	[ -n "$ok" ] || ok=$(sed -n 's/^Ran \([0-9]*\) test.*/\1/p' "$log" | tail -n 1)
	bad=$(sed -n 's/^\[  FAILED  \] [^ ]*: \([0-9]*\) test.*/\1/p; s/^\[  FAILED  \] \([0-9]*\) test.*/\1/p' "$log" | tail -n 1)
	line="ok   ${program##*/}: $ok"
	# A program that dies, leaks or counts nothing has failed, whatever it printed before.
	if [ "$status" -ne 0 ] || [ "${ok:-0}" -eq 0 ]; then
		[ "${bad:-0}" -gt 0 ] || bad=1
		line="$(cat "$log")
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
mkdir "$counts/logs"
printf '%s\n' "$@" | xargs -d '\n' -n 1 -P "$((2 * $(nproc)))" "$0" --one "$counts"
# One that left no counts has failed as well.
find "$counts" -maxdepth 1 -type f -exec cat {} + | awk -v programs=$# '{ ok += $1; bad += $2 }
	END { bad += programs - NR; printf "units: %d passed, %d failed\n", ok, bad; exit bad || !ok }'
