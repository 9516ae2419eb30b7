#!/bin/sh
# Installs what building, testing and the demo need on Debian 12, and says what was missing.
# Usage: tests/deps.sh build|check|demo
set -eu

build="gcc make pkg-config libc6-dev libdrm-dev libsystemd-dev libseat-dev libcjson-dev libinih-dev scdoc"
vm="mmdebstrap qemu-system-x86 qemu-utils qemu-system-gui e2fsprogs openssh-client dbus python3 \
	python3-pil python3-dbus debian-archive-keyring libcairo2-dev systemd util-linux"
check="libcmocka-dev libasan8 libubsan1 dbus clang-format cppcheck libexpat1-dev python3-gi libclang-rt-14-dev clang"

case "${1:-build}" in
build) wanted="$build" ;;
demo) wanted="$build $vm" ;;
check) wanted="$build $vm $check" ;;
*) echo "usage: $0 build|check|demo" >&2; exit 64 ;;
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
apt-get -q update >/dev/null
# shellcheck disable=SC2086 # a list of words
apt-get -q install -y --no-install-recommends $missing >/dev/null
