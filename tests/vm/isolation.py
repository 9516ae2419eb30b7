"""What a container must not see of the VM, and what of the VM must not change for it."""

from machine import Machine

# Of the databases of udev and logind each line, without udev's locks, its queue and files that it
# is about to put in place, and without what comes and goes with every mount. Lines and not files:
# udev writes a device's tags anew at each event, in the order of a hash table.
STATE = """
udevadm settle
loginctl --no-legend list-sessions; loginctl --no-legend list-users; loginctl --no-legend list-seats
loginctl --no-legend list-inhibitors 2>/dev/null
busctl --no-legend list | awk '$1 !~ /^:/ {print $1, $3}'
find /run/udev /run/systemd/sessions /run/systemd/users /run/systemd/seats \\
    -type f ! -name '+bdi:*' ! -name .lock ! -name '.#*' ! -path /run/udev/queue \\
    -print -exec grep -Hs '' {} + || :
"""

# Whoever asks: what of the VM's own is there, and which nodes of a card can be opened.
LOOK = """
for path in /run/dbus/system_bus_socket /run/udev/control /run/systemd/private \\
    /run/systemd/journal /run/scanoutd/leases.json; do
    [ ! -e $path ] || echo "sees $path"
done
ls -A /run/udev/data /run/systemd/sessions | sed -n '/^[^/]/s/^/has /p'
for node in $(find /dev /run /tmp -type c 2>/dev/null); do
    [ $(stat -c %t $node) = e2 ] || continue
    echo "card $node"
    (: < $node) 2>/dev/null && echo "opens $node"
    (: > $node) 2>/dev/null && echo "opens $node"
done
mknod /tmp/own-card c 226 0 2>/dev/null && (: < /tmp/own-card) 2>/dev/null && echo "opens its own"
rm -f /tmp/own-card
"""


def state(vm: Machine) -> list[str]:
    """What the VM's logind, bus and udev know, a fact a line."""
    return vm.run(STATE).out.splitlines()


def check_state(vm: Machine, before: list[str]):
    changed = set(before) ^ set(state(vm))
    assert not changed, "\n".join(sorted(changed))


def check_inside(vm: Machine, name: str, *entries: str):
    """A running container, as its user and as its root: none of the VM's services, no entries of
    theirs but those of the one session and the one card, and a card node that nobody can open."""
    for user in ("4711:4711", "0:0"):
        seen = vm.run(["podman", "exec", "--user", user, name, "sh", "-c", LOOK]).out.splitlines()
        assert seen == [*(f"has {entry}" for entry in entries), "card /dev/dri/card0"], (user, seen)
