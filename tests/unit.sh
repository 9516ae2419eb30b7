#!/bin/sh
# Runs the unit test programs and adds up what cmocka or unittest counted.
# Usage: tests/unit.sh PROGRAM...
set -u
export SCANOUTD_FAKE_BIN="${SCANOUTD_FAKE_BIN:-build/san/scanoutd-fake}"
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
passed=0 failed=0

for program in "$@"; do
	output=$(timeout 240 "$program" 2>&1)
	status=$?
	ok=$(printf '%s\n' "$output" | sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' | tail -n 1)
	# Python's unittest says "Ran N tests", then OK or FAILED.
	[ -n "$ok" ] || ok=$(printf '%s\n' "$output" | sed -n 's/^Ran \([0-9]*\) test.*/\1/p')
	bad=$(printf '%s\n' "$output" | sed -n 's/^\[  FAILED  \] [^ ]*: \([0-9]*\) test.*/\1/p; s/^\[  FAILED  \] \([0-9]*\) test.*/\1/p' | tail -n 1)
	# A program that dies, leaks or counts nothing has failed, whatever it printed before.
	if [ "$status" -ne 0 ] || [ "${ok:-0}" -eq 0 ]; then
		[ "${bad:-0}" -gt 0 ] || bad=1
		printf '%s\n' "$output"
		printf 'FAIL %s (exit status %s)\n' "${program##*/}" "$status"
	else
		printf 'ok   %s: %s\n' "${program##*/}" "$ok"
	fi
	passed=$((passed + ${ok:-0}))
	failed=$((failed + ${bad:-0}))
done
echo "units: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
