#!/bin/sh
# Installs what building, testing and the demo need on Debian 12 or 13, and says what was missing.
# Usage: tests/deps.sh build|check|bench
#        tests/deps.sh demo SUITE  to run guests of this suite; who differs needs no compiler here
#        tests/deps.sh list        prints what building for a guest needs, in any suite
set -eu

build="gcc make pkg-config libc6-dev libdrm-dev libsystemd-dev libseat-dev libcjson-dev scdoc"
guest="$build libcairo2-dev"
# Of scanout-host, which runs beside QEMU.
host="libavcodec-dev libavformat-dev libavutil-dev libyuv-dev"
vm="mmdebstrap zstd e2fsprogs openssh-client dbus python3 python3-pil python3-dbus \
	fonts-dejavu-core debian-archive-keyring systemd util-linux"
# What gcc's sanitizers need comes with gcc.
check="git procps libcmocka-dev dbus clang-format cppcheck libexpat1-dev python3-gi \
	python3-dbus-next libglib2.0-bin qdbus-qt5 libclang-rt-dev clang"

case "${1:-build}" in
build) wanted="$build $host" ;;
demo)
	wanted="$vm"
	# shellcheck source=/dev/null
	[ "${2:-}" != "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" ] || wanted="$guest $vm"
	;;
check) wanted="$guest $host $vm $check" ;;
bench) wanted="$guest $host $vm python3-matplotlib" ;;
list) echo "$guest"; exit ;;
*) echo "usage: $0 build|check|bench|demo SUITE|list" >&2; exit 64 ;;
esac

missing=""
for package in $wanted; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "Installing:$missing"
if [ "$(id -u)" -ne 0 ]; then
	echo "Only root can install packages. Type: sudo make deps" >&2
	exit 77
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# apt-get, waiting for one that runs already; every half a minute it says what it does. Its output is
# shown if it fails.
apt() {
	apt-get -q -o DPkg::Lock::Timeout=-1 "$@" >"$log" 2>&1 &
	pid=$! seconds=0
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		seconds=$((seconds + 1))
		[ $((seconds % 30)) -ne 0 ] ||
			echo "... apt-get $1 since $seconds s: $(tail -n 1 "$log")"
	done
	wait "$pid" || {
		status=$?
		cat "$log" >&2
		echo "apt-get $1 fails. See above; once that is mended, type the same again." >&2
		exit "$status"
	}
}

apt update
# shellcheck disable=SC2086 # a list of words
apt install -y --no-install-recommends $missing
