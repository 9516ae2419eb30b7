#!/bin/sh
# All tests; ends with one line 'N passed, N failed'. Usage: tests/check.sh (from the root)
set -u
make="${MAKE:-make} --no-print-directory"
passed=0 failed=0
log=build/check
mkdir -p "$log"

# Runs a part, shows its output as it comes, and adds up its last 'N passed, N failed'.
part() {
	name=$1
	shift
	echo "== $name"
	{ "$@" 2>&1; echo "exit status $?"; } | tee "$log/$name.log"
	status=$(sed -n '$s/^exit status //p' "$log/$name.log")
	counts=$(grep -Eo '[0-9]+ passed, [0-9]+ failed' "$log/$name.log" | tail -n 1)
	p=${counts%% *}
	f=$(printf '%s' "$counts" | sed 's/.*passed, \([0-9]*\) failed/\1/')
	# A part that broke off or counted nothing has failed.
	if [ -z "$counts" ] || { [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; }; then
		f=$((${f:-0} + 1))
	fi
	passed=$((passed + ${p:-0}))
	failed=$((failed + f))
}

# What the machines are made of is fetched meanwhile, from the network; `vm` waits for it, and tells
# what fails.
{
	for suite in trixie bookworm; do
		for set in desktops base engines; do
			tests/vm/image.py --suite "$suite" --set "$set"
		done
	done
} &
part units $make check-unit
part vm $make check-vm SUITE=both
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
