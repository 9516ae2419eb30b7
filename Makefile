# scanoutd: one Makefile. `make help` lists what it does.

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
SBINDIR ?= $(PREFIX)/sbin
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
UNITDIR ?= $(LIBDIR)/systemd/system
SYSUSERSDIR ?= $(LIBDIR)/sysusers.d
# dbus-daemon reads policies below /usr and /etc only, never below /usr/local.
DBUSPOLICYDIR ?= $(if $(filter /usr,$(PREFIX)),/usr/share,$(SYSCONFDIR))/dbus-1/system.d
COMPLETIONDIR ?= $(DATADIR)/bash-completion/completions

B ?= build
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0)
CC ?= gcc
CFLAGS ?= -O2 -g
PKGS := libdrm libsystemd libseat libcjson inih
WARN := -Wall -Wextra -Werror -Wundef -Wvla -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wwrite-strings -Wformat=2 -Wimplicit-fallthrough -Wno-unused-parameter
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fPIE
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# scanout-run and scanoutctl find their library from where they are, so that a whole tree can be
# moved, staged or mounted elsewhere.
LIBDIR_FROM_BINDIR := $(shell realpath -m --relative-to=$(BINDIR) $(LIBDIR))
CPP := -std=gnu11 -D_GNU_SOURCE -Isrc -Isrc/daemon -Isrc/common -MMD -MP \
	-DSCANOUTD_VERSION='"$(VERSION)"' -DSCANOUTD_SYSCONFDIR='"$(SYSCONFDIR)"' \
	-DSCANOUT_LIBDIR_FROM_BINDIR='"$(LIBDIR_FROM_BINDIR)"'

ifneq ($(V),1)
Q := @
say = @printf '  %-7s %s\n' $(1) $(patsubst $(B)/%,%,$@)
endif

# `make` itself says what is missing instead of failing in the compiler. The commands for a fresh
# machine install it first.
fresh := deps help clean uninstall demo check check-unit check-vm fuzz bench lint format format-check
ifneq ($(filter-out $(fresh),$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell pkg-config --exists $(PKGS) 2>/dev/null && echo yes),yes)
$(error Development packages are missing ($(PKGS)). Type: make deps)
endif
endif
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS))
LIBS_daemon = $(shell pkg-config --libs libdrm libsystemd libseat libcjson inih) -lpthread
LIBS_ctl = $(shell pkg-config --libs libsystemd libcjson)

common_o := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/common/*.c))
daemon_o := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/daemon/*.c)) $(common_o)
# The files of a seat are written by scanoutctl as well.
place_c := src/seat/place.c src/seat/files.c
ctl_o := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/ctl/*.c) $(place_c)) $(common_o)
run_o := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/run/*.c src/link/*.c src/seat/*.c)) $(common_o)
service_o := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/service/*.c src/link/*.c src/seat/*.c)) $(common_o)
man := $(patsubst docs/man/%.scd,$(B)/man/%,$(wildcard docs/man/*.scd))

.PHONY: all
all: $(B)/scanoutd $(B)/scanoutctl $(B)/scanout-run $(B)/scanout-seat $(B)/libscanout-preload.so $(man)

$(B)/scanoutd: $(daemon_o)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LIBS_daemon)

# The daemon of tests/vm/test_faults.py, which fails where it is told to: src/daemon/failpoint.h.
failing_o := $(daemon_o:$(B)/%=$(B)/failpoints/%)
$(B)/failpoints/scanoutd: $(failing_o)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LIBS_daemon)

$(B)/failpoints/%.o: src/%.c Makefile
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) -DFAILPOINTS $(PKG_CFLAGS) $(WARN) $(HARDEN) $(CFLAGS) -c -o $@ $<

$(B)/scanoutctl: $(ctl_o)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/scanout-run: $(run_o)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/scanout-seat: $(service_o)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LIBS_ctl)

# Goes into programs of all kinds, so it needs nothing but libc.
$(B)/libscanout-preload.so: $(wildcard src/preload/*.[ch])
	$(call say,LINK)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) $(PKG_CFLAGS) $(WARN) $(CFLAGS) -fPIC -shared -fvisibility=hidden $(LDFLAGS) -o $@ $(filter %.c,$^)

# Changes when a path does that is built in.
.PHONY: FORCE
FORCE:
$(B)/paths: FORCE
	@mkdir -p $(@D)
	@echo '$(SYSCONFDIR) $(LIBDIR_FROM_BINDIR)' | cmp -s - $@ || \
		echo '$(SYSCONFDIR) $(LIBDIR_FROM_BINDIR)' > $@

$(B)/%.o: src/%.c Makefile $(B)/paths
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) $(PKG_CFLAGS) $(WARN) $(HARDEN) $(CFLAGS) -c -o $@ $<

$(B)/man/%: docs/man/%.scd
	$(call say,MAN)
	@mkdir -p $(@D)
	$(Q)scdoc < $< > $@

# Units run with the sanitizers, so the daemon's objects are built a second time for them.
san_CFLAGS := -O1 -g $(SANITIZE) -D_FORTIFY_SOURCE=0
unit_o := $(patsubst %.c,$(B)/san/%.o,$(filter-out src/daemon/main.c,$(wildcard src/daemon/*.c)) \
	$(wildcard src/common/*.c) \
	$(filter-out tests/unit/test_%.c tests/unit/scanoutd_fake.c,$(wildcard tests/unit/*.c)))
units := $(patsubst tests/unit/%.c,$(B)/san/%,$(wildcard tests/unit/test_*.c))
LIBS_unit = $(LIBS_daemon) $(shell pkg-config --libs cmocka expat)

# What test_card_drm.c puts in libdrm's place.
drm_functions := drmModeGetResources drmModeGetPlaneResources drmModeGetConnector drmModeGetEncoder \
	drmModeGetPlane drmModeObjectGetProperties drmModeGetProperty drmModeGetCrtc drmModeGetFB2 \
	drmModeAddFB2WithModifiers drmModeSetCrtc drmModeSetPlane drmModeRmFB drmCloseBufferHandle \
	drmIsMaster drmSetMaster drmSetClientCap drmModeCreateLease drmModeRevokeLease drmModeListLessees
$(B)/san/test_card_drm: unit_LDFLAGS := $(drm_functions:%=-Wl,--wrap=%)

$(units): $(B)/san/%: $(B)/san/tests/unit/%.o $(unit_o)
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) $(unit_LDFLAGS) -o $@ $^ $(LIBS_unit)

$(B)/san/scanoutd-fake: $(B)/san/tests/unit/scanoutd_fake.o $(unit_o)
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) -o $@ $^ $(LIBS_unit)

san_o = $(patsubst %.c,$(B)/san/%.o,$(wildcard $(1)))
$(B)/san/scanoutctl: $(call san_o,src/ctl/*.c $(place_c) src/common/*.c)
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) -o $@ $^ $(LIBS_ctl)

# What the tests of the seat start: with the sanitizers, but for what is preloaded into others.
$(B)/san/scanout-run: $(call san_o,src/run/*.c src/seat/*.c src/link/*.c src/common/*.c)
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/san/scanout-seat: $(call san_o,src/service/*.c src/seat/*.c src/link/*.c src/common/*.c)
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/san/seat_server: $(B)/san/tests/seat/seat_server.o $(call san_o,src/seat/*.c src/common/*.c)
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/san/fake_scanoutd: $(B)/san/tests/seat/fake_scanoutd.o $(call san_o,src/common/*.c)
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/san/fake_lease.so: tests/seat/fake_lease.c
	$(call say,LINK)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) $(PKG_CFLAGS) $(WARN) $(CFLAGS) -fPIC -shared -o $@ $<

seat_tests := $(B)/san/scanout-run $(B)/san/scanout-seat $(B)/san/seat_server $(B)/san/fake_scanoutd $(B)/san/fake_lease.so \
	$(B)/libscanout-preload.so
# Absolute: what is tested changes its folder, or is preloaded by programs elsewhere.
seat_env := SEAT_SERVER=$(abspath $(B)/san/seat_server) SCANOUT_RUN=$(abspath $(B)/san/scanout-run) \
	SCANOUT_SEAT=$(abspath $(B)/san/scanout-seat) \
	FAKE_SCANOUTD=$(abspath $(B)/san/fake_scanoutd) FAKE_LEASE=$(abspath $(B)/san/fake_lease.so) \
	SCANOUT_PRELOAD=$(abspath $(B)/libscanout-preload.so)

FUZZERS := login1 seatd weston_launch
FUZZ_SECONDS ?= 15
# Compiled at one go, which leaves no list of the headers for each file.
$(B)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/harness.c \
	$(wildcard src/seat/*.[ch] src/common/*.[ch] tests/fuzz/*.h)
	$(call say,FUZZ)
	@mkdir -p $(@D)
	$(Q)clang $(CPP) -MF $@.d -Itests/fuzz $(PKG_CFLAGS) -O1 -g -fsanitize=fuzzer,address,undefined \
		-o $@ $(filter %.c,$^) $(LIBS_ctl)

$(B)/san/%.o: %.c Makefile $(B)/paths
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) -Itests/unit $(PKG_CFLAGS) $(WARN) $(san_CFLAGS) -c -o $@ $<

# The programs that run inside the guest.
GUEST := testcard probe
guest_c := $(wildcard tests/vm/guest/*.c)
guest_shared_o := $(patsubst %.c,$(B)/%.o,$(filter-out tests/vm/guest/testcard% tests/vm/guest/probe%,$(guest_c)))
guest_PKGS := libdrm libsystemd libcjson cairo

define guest_rule
$(B)/guest/$(1): $(patsubst %.c,$(B)/%.o,$(filter tests/vm/guest/$(1)%,$(guest_c))) $(guest_shared_o)
	$$(call say,LINK)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS) -o $$@ $$^ $$(shell pkg-config --libs $(guest_PKGS)) -lm
endef
$(foreach program,$(GUEST),$(eval $(call guest_rule,$(program))))

$(B)/tests/vm/guest/%.o: tests/vm/guest/%.c Makefile
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) -Itests/vm/guest $(shell pkg-config --cflags $(guest_PKGS)) $(WARN) $(CFLAGS) -c -o $@ $<

services := $(patsubst systemd/%.in,%,$(wildcard systemd/*.service.in))
sockets := $(notdir $(wildcard systemd/*.socket))

.PHONY: install uninstall
install: all
	install -D -m 755 $(B)/scanoutd $(DESTDIR)$(SBINDIR)/scanoutd
	install -D -m 755 $(B)/scanout-seat $(DESTDIR)$(SBINDIR)/scanout-seat
	install -D -m 755 $(B)/scanoutctl $(DESTDIR)$(BINDIR)/scanoutctl
	install -D -m 755 $(B)/scanout-run $(DESTDIR)$(BINDIR)/scanout-run
	install -D -m 755 $(B)/libscanout-preload.so $(DESTDIR)$(LIBDIR)/libscanout-preload.so
	install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(DATADIR)/dbus-1/system-services
	set -e; for unit in $(services); do \
		sed 's,@SBINDIR@,$(SBINDIR),; s,@BINDIR@,$(BINDIR),' systemd/$$unit.in > $(DESTDIR)$(UNITDIR)/$$unit; done
	install -m 644 $(sockets:%=systemd/%) $(DESTDIR)$(UNITDIR)/
	cp dbus/org.scanoutd.Scanout1.service.in \
		$(DESTDIR)$(DATADIR)/dbus-1/system-services/org.scanoutd.Scanout1.service
	install -D -m 644 dbus/org.scanoutd.Scanout1.conf $(DESTDIR)$(DBUSPOLICYDIR)/org.scanoutd.Scanout1.conf
	install -D -m 644 dbus/org.scanoutd.Scanout1.xml \
		$(DESTDIR)$(DATADIR)/dbus-1/interfaces/org.scanoutd.Scanout1.xml
	install -D -m 644 systemd/scanoutd.sysusers $(DESTDIR)$(SYSUSERSDIR)/scanoutd.conf
	test -e $(DESTDIR)$(SYSCONFDIR)/scanoutd/scanoutd.conf || \
		install -D -m 644 systemd/scanoutd.conf $(DESTDIR)$(SYSCONFDIR)/scanoutd/scanoutd.conf
	install -D -m 644 completions/scanoutctl $(DESTDIR)$(COMPLETIONDIR)/scanoutctl
	set -e; for page in $(notdir $(man)); do \
		install -D -m 644 $(B)/man/$$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$$page; done

# The configuration is the admin's: it stays.
uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/scanoutd $(DESTDIR)$(BINDIR)/scanoutctl \
		$(DESTDIR)$(BINDIR)/scanout-run $(DESTDIR)$(LIBDIR)/libscanout-preload.so \
		$(DESTDIR)$(SBINDIR)/scanout-seat $(addprefix $(DESTDIR)$(UNITDIR)/,$(services) $(sockets)) \
		$(DESTDIR)$(DATADIR)/dbus-1/system-services/org.scanoutd.Scanout1.service \
		$(DESTDIR)$(DBUSPOLICYDIR)/org.scanoutd.Scanout1.conf \
		$(DESTDIR)$(DATADIR)/dbus-1/interfaces/org.scanoutd.Scanout1.xml \
		$(DESTDIR)$(SYSUSERSDIR)/scanoutd.conf $(DESTDIR)$(COMPLETIONDIR)/scanoutctl
	for page in $(notdir $(man)); do rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$$page; done

# What the guest gets: an installation and the programs of the tests.
.PHONY: stage
stage: all $(GUEST:%=$(B)/guest/%) $(B)/failpoints/scanoutd
	@rm -rf $(B)/stage
	@$(MAKE) -s install DESTDIR=$(B)/stage PREFIX=/usr
	@install -D -m 755 -t $(B)/stage/usr/lib/scanoutd-tests $(GUEST:%=$(B)/guest/%) \
		$(B)/failpoints/scanoutd

# The commands below work on a fresh machine: packages first, then make again, which finds them.
.PHONY: deps demo check check-unit check-vm fuzz bench
deps:
	@tests/deps.sh check

N ?= 9
demo:
	@tests/deps.sh demo
	@$(MAKE) --no-print-directory stage
	@tests/vm/demo.py --stage $(B)/stage --count $(N) --out $(B)/demo

check:
	@tests/deps.sh check
	@tests/check.sh

check-unit:
	@tests/deps.sh check
	@$(MAKE) --no-print-directory units
	@SCANOUTCTL=$(B)/san/scanoutctl $(seat_env) tests/unit.sh $(units) \
		$(wildcard tests/bus/test_*.py tests/seat/test_*.py tests/docs/test_*.py)

.PHONY: units
units: $(units) $(B)/san/scanoutd-fake $(B)/san/scanoutctl $(seat_tests)

check-vm:
	@tests/deps.sh check
	@$(MAKE) --no-print-directory stage
	@tests/vm/run.py --stage $(B)/stage --out $(B)/vm $(T)

fuzz:
	@tests/deps.sh check
	@$(MAKE) --no-print-directory $(FUZZERS:%=$(B)/fuzz/fuzz_%)
	@tests/fuzz.sh $(B)/fuzz $(FUZZ_SECONDS) $(FUZZERS)

bench:
	@tests/deps.sh check
	@$(MAKE) --no-print-directory stage
	@tests/vm/bench.py --stage $(B)/stage --out $(B)/bench

.PHONY: format format-check lint clean help
c_files := $(wildcard src/*/*.[ch] include/*/*.h tests/*/*.[ch] tests/vm/guest/*.[ch])
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
		--suppress=memleak -Isrc -Isrc/daemon -Isrc/common \
		-DSCANOUTD_VERSION='"0"' -DSCANOUTD_SYSCONFDIR='"/etc"' src && echo "lint: nothing found"

clean:
	rm -rf $(B)

help:
	@echo 'make            build into build/'
	@echo 'make install    PREFIX=/usr/local DESTDIR='
	@echo 'make demo       real desktops and test cards on nine outputs in an emulated VM; N=16 for all'
	@echo 'make check      all tests; check-unit and check-vm T=name are parts'
	@echo 'make fuzz        a few seconds of garbage for each protocol of the seat'
	@echo 'make bench      measure in the emulated VM'
	@echo 'make lint format format-check deps uninstall clean'

-include $(shell find $(B) -path $(B)/stage -prune -o -name '*.d' -type f -print 2>/dev/null)
