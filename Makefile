# scanoutd: one Makefile. `make help` lists what it does.

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
SBINDIR ?= $(PREFIX)/sbin
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
UNITDIR ?= $(LIBDIR)/systemd/system
UDEVRULESDIR ?= $(LIBDIR)/udev/rules.d
SYSUSERSDIR ?= $(LIBDIR)/sysusers.d
# dbus-daemon reads policies below /usr and /etc only, never below /usr/local.
DBUSPOLICYDIR ?= $(if $(filter /usr,$(PREFIX)),/usr/share,$(SYSCONFDIR))/dbus-1/system.d
COMPLETIONDIR ?= $(DATADIR)/bash-completion/completions

B ?= build
# In a clone also the commit, unless it is the one that is tagged with this version.
RELEASE := $(file <VERSION)
VERSION := $(RELEASE)$(if $(wildcard .git),$(shell \
	git describe --tags --dirty 2>/dev/null | grep -qx 'v$(RELEASE)' || \
	git describe --always --exclude '*' --dirty 2>/dev/null | sed 's/^/+g/'))
CC ?= gcc
CFLAGS ?= -O2 -g
PKGS := libdrm libsystemd libseat libcjson
WARN := -Wall -Wextra -Werror -Wundef -Wvla -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wwrite-strings -Wformat=2 -Wimplicit-fallthrough -Wno-unused-parameter
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fPIE
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# scanout-run and scanoutctl find their library from where they are, so that a whole tree can be
# moved, staged or mounted elsewhere.
LIBDIR_FROM_BINDIR := $(shell realpath -m --relative-to=$(BINDIR) $(LIBDIR))
CPP = -std=gnu11 -D_GNU_SOURCE -Isrc -Iinclude -MMD -MP \
	-DSCANOUTD_VERSION='"$(VERSION)"' -DSCANOUTD_SYSCONFDIR='"$(SYSCONFDIR)"' \
	-DSCANOUT_LIBDIR_FROM_BINDIR='"$(LIBDIR_FROM_BINDIR)"'

ifneq ($(V),1)
Q := @
say = @printf '  %-7s %s\n' $(1) $(patsubst $(B)/%,%,$@)
endif

# `make` itself says what is missing instead of failing in the compiler. The commands for a fresh
# machine install it first.
fresh := deps help clean uninstall demo check check-vm fuzz bench lint format format-check stage
fresh += $(if $(T),,check-unit)
ifneq ($(filter-out $(fresh),$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell pkg-config --exists $(PKGS) 2>/dev/null && echo yes),yes)
$(error Development packages are missing ($(PKGS)). Type: make deps)
endif
endif
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS))
LIBS_daemon = $(shell pkg-config --libs libdrm libsystemd libseat libcjson) -lpthread
LIBS_drm = $(shell pkg-config --libs libdrm)
LIBS_ctl = $(shell pkg-config --libs libsystemd libcjson) -lpthread
# scanout-host is built where its libraries are: not in the VM, which has no use for it.
HOST_PKGS := libavformat libavcodec libavutil
HOST ?= $(if $(wildcard /usr/include/libyuv.h),$(shell pkg-config --exists $(HOST_PKGS) 2>/dev/null && echo yes))
LIBS_host = $(shell pkg-config --libs $(HOST_PKGS)) -lyuv $(LIBS_ctl)

common_o := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/common/*.c))
daemon_o := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/daemon/*.c src/daemon/*/*.c)) $(common_o)
# scanoutctl writes the folder of a seat as well, and requests a scanout as other clients do.
ctl_shared_c := src/seat/seat_dir.c src/seat/login_files.c src/lib/request_call.c
ctl_o := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/ctl/*.c) $(ctl_shared_c)) $(common_o)
# Containers and the kernel's log are looked at in the VM, with a newer glibc than images may have.
run_common_c := $(filter-out \
	src/common/container.c src/common/kernellog.c src/common/undertaker.c \
	src/common/table.c src/common/json.c \
	src/common/diagnosis.c,$(wildcard src/common/*.c))
run_o := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/run/*.c src/lib/*.c src/seat/*.c) $(run_common_c))
service_o := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/service/*.c src/door/*.c src/lib/*.c src/seat/*.c)) $(common_o)
front_o := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/front/*.c src/door/*.c)) $(common_o)
link_o := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/link/*.c src/wire/*.c)) $(common_o)
host_o := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/host/*.c src/wire/*.c)) $(common_o)
man := $(patsubst docs/man/%.scd,$(B)/man/%,$(wildcard docs/man/*.scd))

.PHONY: all
all: $(B)/scanoutd $(B)/scanoutctl $(B)/scanout-run $(B)/scanout-seat $(B)/scanout-front \
	$(B)/scanout-link $(B)/libscanout-preload.so $(if $(HOST),$(B)/scanout-host) $(man)

$(B)/scanoutd: $(daemon_o)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LIBS_daemon)

$(B)/scanoutctl: $(ctl_o)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LIBS_ctl) $(LIBS_drm)

$(B)/scanout-run: $(run_o)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/scanout-seat: $(service_o)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/scanout-front: $(front_o)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/scanout-link: $(link_o)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/scanout-host: $(host_o)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LIBS_host)

# Goes into programs of all kinds, so it needs nothing but libc.
$(B)/libscanout-preload.so: $(wildcard src/preload/*.[ch])
	$(call say,LINK)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) $(PKG_CFLAGS) $(WARN) $(CFLAGS) -fPIC -shared -fvisibility=hidden $(LDFLAGS) -o $@ $(filter %.c,$^)

# Change when a path or the version does that is built in.
.PHONY: FORCE
FORCE:
keep = @mkdir -p $(@D); echo '$(1)' | cmp -s - $@ || echo '$(1)' > $@
$(B)/paths: FORCE
	$(call keep,$(SYSCONFDIR) $(LIBDIR_FROM_BINDIR))
$(B)/version: FORCE
	$(call keep,$(VERSION))
versioned_o := $(patsubst src/%.c,%.o,$(shell grep -rl SCANOUTD_VERSION src --include='*.c'))
$(foreach folder,$(B) $(B)/failpoints $(B)/san/src,$(versioned_o:%=$(folder)/%)): $(B)/version

$(B)/%.o: src/%.c Makefile $(B)/paths
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) $(PKG_CFLAGS) $(WARN) $(HARDEN) $(CFLAGS) -c -o $@ $<

$(B)/man/%: docs/man/%.scd
	$(call say,MAN)
	@mkdir -p $(@D)
	$(Q)scdoc < $< > $@

services := $(patsubst systemd/%.in,%,$(wildcard systemd/*.service.in))
sockets := $(notdir $(wildcard systemd/*.socket))
# Templates of which each instance is a container.
engines := lxc@ podman-kube@ systemd-nspawn@

.PHONY: install uninstall
install: all
	install -D -m 755 $(B)/scanoutd $(DESTDIR)$(SBINDIR)/scanoutd
	install -D -m 755 $(B)/scanout-seat $(DESTDIR)$(SBINDIR)/scanout-seat
	install -D -m 755 $(B)/scanout-front $(DESTDIR)$(SBINDIR)/scanout-front
	install -D -m 755 $(B)/scanout-link $(DESTDIR)$(SBINDIR)/scanout-link
	install -D -m 755 $(B)/scanoutctl $(DESTDIR)$(BINDIR)/scanoutctl
	install -D -m 755 $(B)/scanout-run $(DESTDIR)$(BINDIR)/scanout-run
	$(if $(HOST),install -D -m 755 $(B)/scanout-host $(DESTDIR)$(BINDIR)/scanout-host)
	install -D -m 755 $(B)/libscanout-preload.so $(DESTDIR)$(LIBDIR)/libscanout-preload.so
	install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(DATADIR)/dbus-1/system-services
	set -e; for unit in $(services); do \
		sed 's,@SBINDIR@,$(SBINDIR),; s,@BINDIR@,$(BINDIR),' systemd/$$unit.in > $(DESTDIR)$(UNITDIR)/$$unit; done
	install -m 644 $(sockets:%=systemd/%) $(DESTDIR)$(UNITDIR)/
	set -e; for engine in $(engines); do install -D -m 644 systemd/engine.conf \
		$(DESTDIR)$(UNITDIR)/$$engine.service.d/scanoutd.conf; done
	cp dbus/org.scanoutd.Scanout1.service.in \
		$(DESTDIR)$(DATADIR)/dbus-1/system-services/org.scanoutd.Scanout1.service
	install -D -m 644 dbus/org.scanoutd.Scanout1.conf $(DESTDIR)$(DBUSPOLICYDIR)/org.scanoutd.Scanout1.conf
	install -D -m 644 dbus/org.scanoutd.Scanout1.xml \
		$(DESTDIR)$(DATADIR)/dbus-1/interfaces/org.scanoutd.Scanout1.xml
	install -D -m 644 include/scanout/dbus_names.h $(DESTDIR)$(INCLUDEDIR)/scanout/dbus_names.h
	install -D -m 644 -t $(DESTDIR)$(UDEVRULESDIR) systemd/60-scanout-link.rules
	install -D -m 644 systemd/scanoutd.sysusers $(DESTDIR)$(SYSUSERSDIR)/scanoutd.conf
	test -e $(DESTDIR)$(SYSCONFDIR)/scanoutd/scanoutd.conf || \
		install -D -m 644 systemd/scanoutd.conf $(DESTDIR)$(SYSCONFDIR)/scanoutd/scanoutd.conf
	install -D -m 644 -t $(DESTDIR)$(COMPLETIONDIR) completions/scanoutctl completions/scanout-host
	set -e; for page in $(notdir $(man)); do \
		install -D -m 644 $(B)/man/$$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$$page; done

# The configuration is the admin's: it stays.
uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/scanoutd $(DESTDIR)$(BINDIR)/scanoutctl \
		$(DESTDIR)$(BINDIR)/scanout-run $(DESTDIR)$(BINDIR)/scanout-host $(DESTDIR)$(LIBDIR)/libscanout-preload.so \
		$(DESTDIR)$(SBINDIR)/scanout-seat $(DESTDIR)$(SBINDIR)/scanout-front \
		$(DESTDIR)$(SBINDIR)/scanout-link $(DESTDIR)$(UDEVRULESDIR)/60-scanout-link.rules \
		$(addprefix $(DESTDIR)$(UNITDIR)/,$(services) $(sockets)) \
		$(DESTDIR)$(DATADIR)/dbus-1/system-services/org.scanoutd.Scanout1.service \
		$(DESTDIR)$(DBUSPOLICYDIR)/org.scanoutd.Scanout1.conf \
		$(DESTDIR)$(DATADIR)/dbus-1/interfaces/org.scanoutd.Scanout1.xml \
		$(DESTDIR)$(INCLUDEDIR)/scanout/dbus_names.h \
		$(DESTDIR)$(SYSUSERSDIR)/scanoutd.conf $(DESTDIR)$(COMPLETIONDIR)/scanoutctl \
		$(DESTDIR)$(COMPLETIONDIR)/scanout-host \
		$(engines:%=$(DESTDIR)$(UNITDIR)/%.service.d/scanoutd.conf)
	for page in $(notdir $(man)); do rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$$page; done

.PHONY: deps format format-check lint clean help
deps:
	@tests/deps.sh check

c_files := $(wildcard src/*/*.[ch] src/*/*/*.[ch] include/*/*.h tests/*/*.[ch] tests/vm/guest/*.[ch])
format:
	clang-format -i $(c_files)
format-check:
	@clang-format --dry-run --Werror $(c_files) && echo "format: right"
lint:
	@# cppcheck does not expand sys/queue.h: what TAILQ_FOREACH sets it takes for uninitialized,
	@# which gcc and the sanitizers watch; nor does it know the cleanup attribute.
	@cppcheck --quiet --std=c11 --error-exitcode=1 --enable=warning,performance,portability \
		--inline-suppr --suppress=missingIncludeSystem --suppress=uninitvar \
		--suppress=ctuuninitvar --suppress=resourceLeak \
		--suppress=memleak --suppress=normalCheckLevelMaxBranches -Isrc -Iinclude \
		-DSCANOUTD_VERSION='"0"' -DSCANOUTD_SYSCONFDIR='"/etc"' src && echo "lint: nothing found"

clean:
	rm -rf $(B)

help:
	@echo 'make             build into build/'
	@echo 'make install     PREFIX=/usr/local DESTDIR='
	@echo 'make quick       build, format, lint, and the tests that need nothing: before each commit'
	@echo 'make check-unit  all tests that need no VM; T="linger run_lease" only those, without deps'
	@echo 'make check-vm    all tests in the emulated VM; T=name only those'
	@echo 'make check       all tests'
	@echo 'make demo        real desktops and test cards on outputs in an emulated VM'
	@echo 'make fuzz        garbage for each protocol: of the seat, the front and the display'
	@echo 'make bench       measure in the emulated VM'
	@echo 'make lint format format-check deps uninstall clean'
	@echo
	@echo 'Variables:'
	@echo '  T=NAMES         which tests of check-unit and check-vm; default: all'
	@echo '  SUITE=trixie    what the VM of demo, check-vm and bench runs: also bookworm or forky'
	@echo '  N=9             outputs in the demo; 16 for all'
	@echo '  FUZZ_SECONDS=15 for each protocol'
	@echo '  V=1             show the commands'
	@echo '  B=build         folder to build in'
	@echo '  CC=cc CFLAGS="-O2 -g" LDFLAGS='
	@echo '  PREFIX=/usr/local SYSCONFDIR=/etc BINDIR= SBINDIR= LIBDIR= INCLUDEDIR= DATADIR= MANDIR='
	@echo '  UNITDIR= UDEVRULESDIR= SYSUSERSDIR= DBUSPOLICYDIR= COMPLETIONDIR= DESTDIR=  for install'

include tests/tests.mk

-include $(shell find $(B) $(patsubst %,-path % -prune -o,$(wildcard $(B)/*/stage)) \
	-name '*.d' -type f -print 2>/dev/null)
