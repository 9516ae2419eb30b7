# The tests: what they are built from, and the commands that run them. Part of the Makefile.

# Of the guest, for all that runs in one.
SUITE ?= trixie

# The daemon of tests/vm/test_faults.py, which fails where it is told to: src/daemon/util/failpoint.h.
failing_o := $(daemon_o:$(B)/%=$(B)/failpoints/%)
$(B)/failpoints/scanoutd: $(failing_o)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LIBS_daemon)

$(B)/failpoints/%.o: src/%.c Makefile
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) -DFAILPOINTS $(PKG_CFLAGS) $(WARN) $(HARDEN) $(CFLAGS) -c -o $@ $<

# Units run with the sanitizers, so the daemon's objects are built a second time for them.
san_CFLAGS := -O1 -g $(SANITIZE) -D_FORTIFY_SOURCE=0
unit_o := $(patsubst %.c,$(B)/san/%.o,$(filter-out src/daemon/main.c,$(wildcard src/daemon/*.c src/daemon/*/*.c)) \
	$(wildcard src/common/*.c src/wire/*.c) src/link/address.c \
	$(filter-out tests/unit/test_%.c tests/unit/scanoutd_fake.c tests/unit/fault.c,$(wildcard tests/unit/*.c)))
units := $(patsubst tests/unit/%.c,$(B)/san/%,$(wildcard tests/unit/test_*.c))
LIBS_unit = $(LIBS_daemon) $(shell pkg-config --libs cmocka expat)

# What fake_clock.c puts itself in the place of.
time_functions := sd_event_add_time sd_event_add_time_relative sd_event_source_set_time \
	sd_event_source_set_time_relative sd_event_source_disable_unref pthread_cond_timedwait nanosleep \
	sd_bus_call
unit_LDFLAGS := $(time_functions:%=-Wl,--wrap=%)
# What fake_libdrm.c puts in libdrm's place.
drm_functions := drmModeGetResources drmModeGetPlaneResources drmModeGetConnector drmModeGetEncoder \
	drmModeGetPlane drmModeObjectGetProperties drmModeObjectSetProperty drmModeGetProperty \
	drmModeGetCrtc drmModeGetFB2 drmModeAddFB2WithModifiers drmModeSetCrtc drmModeSetPlane \
	drmModeRmFB drmCloseBufferHandle drmIsMaster drmSetMaster drmSetClientCap \
	drmModeCreateLease drmModeRevokeLease drmModeListLessees
$(B)/san/test_card_drm: unit_LDFLAGS += $(drm_functions:%=-Wl,--wrap=%)

$(units): $(B)/san/%: $(B)/san/tests/unit/%.o $(unit_o)
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) $(unit_LDFLAGS) -o $@ $^ $(LIBS_unit)

$(B)/san/scanoutd-fake: $(B)/san/tests/unit/scanoutd_fake.o $(unit_o)
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) $(unit_LDFLAGS) -o $@ $^ $(LIBS_unit)

san_o = $(patsubst %.c,$(B)/san/%.o,$(wildcard $(1)))
$(B)/san/scanoutctl: $(call san_o,src/ctl/*.c $(ctl_shared_c) src/common/*.c)
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) -o $@ $^ $(LIBS_ctl) $(LIBS_drm)

# What the tests of the seat start: with the sanitizers, but for what is preloaded into others.
$(B)/san/scanout-run: $(call san_o,src/run/*.c src/seat/*.c src/lib/*.c $(run_common_c))
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/san/scanout-seat: $(call san_o,src/service/*.c src/door/*.c src/seat/*.c src/lib/*.c src/common/*.c)
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/san/scanout-front: $(call san_o,src/front/*.c src/door/*.c src/common/*.c)
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/san/scanout-link: $(call san_o,src/link/*.c src/wire/*.c src/common/*.c)
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/san/scanout-host: $(call san_o,src/host/*.c src/wire/*.c src/common/*.c)
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) -o $@ $^ $(LIBS_host)

# What players would show of a video. Without sanitizers: it is the libraries that work.
$(B)/probe-video: tests/host/probe_video.c
	$(call say,LINK)
	$(Q)$(CC) -O2 -D_GNU_SOURCE $(WARN) -o $@ $< $(LIBS_host)

# A front whose calls fail as tests/unit/fault.h says.
$(B)/san/scanout-front-fault: $(B)/san/tests/unit/fault.o $(B)/san/tests/unit/starve.o \
	$(call san_o,src/front/*.c src/door/*.c src/common/*.c)
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/san/seat_server: $(B)/san/tests/seat/seat_server.o $(call san_o,src/seat/*.c src/common/*.c)
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/san/fake_scanoutd: $(B)/san/tests/seat/fake_scanoutd.o $(call san_o,src/common/*.c)
	$(call say,LINK)
	$(Q)$(CC) $(san_CFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/san/fake_lease.so $(B)/san/fake_libseat.so $(B)/san/fake_security.so: $(B)/san/%.so: tests/seat/%.c
	$(call say,LINK)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) $(PKG_CFLAGS) $(WARN) $(CFLAGS) -fPIC -shared -o $@ $<

seat_tests := $(B)/san/scanout-run $(B)/san/scanout-seat $(B)/san/seat_server $(B)/san/fake_scanoutd $(B)/san/fake_lease.so \
	$(B)/san/fake_libseat.so $(B)/san/fake_security.so \
	$(B)/libscanout-preload.so
# Absolute: what is tested changes its folder, or is preloaded by programs elsewhere.
seat_env := SEAT_SERVER=$(abspath $(B)/san/seat_server) SCANOUT_RUN=$(abspath $(B)/san/scanout-run) \
	SCANOUT_SEAT=$(abspath $(B)/san/scanout-seat) \
	FAKE_SCANOUTD=$(abspath $(B)/san/fake_scanoutd) FAKE_LEASE=$(abspath $(B)/san/fake_lease.so) \
	FAKE_LIBSEAT_PATH=$(abspath $(B)/san/fake_libseat.so) \
	FAKE_SECURITY=$(abspath $(B)/san/fake_security.so) \
	SCANOUT_PRELOAD=$(abspath $(B)/libscanout-preload.so)

FUZZERS := front link listener login1 seatd weston_launch
FUZZ_SECONDS ?= 15
# Compiled at one go, which leaves no list of the headers for each file.
$(B)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/harness.c \
	$(wildcard src/seat/*.[ch] src/common/*.[ch] tests/fuzz/*.h)
	$(call say,FUZZ)
	@mkdir -p $(@D)
	$(Q)clang $(CPP) -MF $@.d -Itests/fuzz $(PKG_CFLAGS) -O1 -g -fsanitize=fuzzer,address,undefined \
		-o $@ $(filter %.c,$^) $(LIBS_ctl)

$(B)/fuzz/fuzz_front: tests/fuzz/fuzz_front.c $(filter-out src/front/scanout-front.c src/front/front.c, \
	$(wildcard src/front/*.[ch])) $(wildcard src/common/*.[ch])
	$(call say,FUZZ)
	@mkdir -p $(@D)
	$(Q)clang $(CPP) -MF $@.d $(PKG_CFLAGS) -O1 -g -fsanitize=fuzzer,address,undefined \
		-o $@ $(filter %.c,$^) $(LIBS_ctl)

$(B)/fuzz/fuzz_listener: tests/fuzz/fuzz_listener.c \
	$(patsubst %,src/host/%.c,listener screen frame map picture ages) $(wildcard src/common/*.[ch])
	$(call say,FUZZ)
	@mkdir -p $(@D)
	$(Q)clang $(CPP) -MF $@.d $(PKG_CFLAGS) -O1 -g -fsanitize=fuzzer,address,undefined \
		-o $@ $(filter %.c,$^) -lyuv $(LIBS_ctl)

$(B)/fuzz/fuzz_link: tests/fuzz/fuzz_link.c src/host/tenants.c src/host/tenants.h \
	$(wildcard src/wire/*.[ch])
	$(call say,FUZZ)
	@mkdir -p $(@D)
	$(Q)clang $(CPP) -MF $@.d $(PKG_CFLAGS) -O1 -g -fsanitize=fuzzer,address,undefined \
		-o $@ $(filter %.c,$^) $(LIBS_ctl)

$(B)/san/%.o: %.c Makefile tests/tests.mk $(B)/paths
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) -Itests/unit $(PKG_CFLAGS) $(WARN) $(san_CFLAGS) -c -o $@ $<

# The programs that run inside the guest.
GUEST := testcard probe sender
guest_c := $(wildcard tests/vm/guest/*.c)
guest_shared_o := $(patsubst %.c,$(B)/%.o,$(filter-out $(GUEST:%=tests/vm/guest/%%),$(guest_c)))
guest_PKGS := libdrm libsystemd libcjson cairo

define guest_rule
$(B)/guest/$(1): $(patsubst %.c,$(B)/%.o,$(filter tests/vm/guest/$(1)%,$(guest_c))) $(guest_shared_o)
	$$(call say,LINK)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS) -o $$@ $$^ $$(shell pkg-config --libs $(guest_PKGS)) -lm
endef
$(foreach program,$(GUEST),$(eval $(call guest_rule,$(program))))

$(B)/tests/vm/guest/%.o: tests/vm/guest/%.c Makefile tests/tests.mk
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) -Itests/vm/guest $(shell pkg-config --cflags $(guest_PKGS)) $(WARN) $(CFLAGS) -c -o $@ $<

# What the guest gets: an installation and the programs of the tests. Built here if this machine is
# of the guest's suite, else in a root of that suite, with objects of their own.
STAGE = $(B)/$(SUITE)/stage
.PHONY: stage guest-tree
guest-tree: all $(GUEST:%=$(B)/guest/%) $(B)/failpoints/scanoutd
	@rm -rf $(STAGE)
	@$(MAKE) -s install DESTDIR=$(STAGE) PREFIX=/usr
	@install -D -m 755 -t $(STAGE)/usr/lib/scanoutd-tests $(GUEST:%=$(B)/guest/%) \
		$(B)/failpoints/scanoutd

stage:
ifeq ($(SUITE),$(shell . /etc/os-release && echo $$VERSION_CODENAME))
	@$(MAKE) --no-print-directory guest-tree
else
	@tests/vm/buildroot.py --suite '$(SUITE)' make --no-print-directory -j$$(nproc) guest-tree \
		B=$(B)/$(SUITE) STAGE=$(STAGE) CC=gcc VERSION='$(VERSION)' V=$(V)
endif

# The commands below work on a fresh machine: packages first, then make again, which finds them.
.PHONY: demo check check-unit check-vm fuzz bench
N ?= 9
demo:
	@tests/deps.sh demo '$(SUITE)'
	@# The guest takes longest, so all else is done beside it. demo.py tells what of it fails.
	@tests/vm/image.py --suite '$(SUITE)' --set demo & nice tests/vm/qemu.py & \
		nice $(MAKE) --no-print-directory stage; status=$$?; wait; exit $$status
	@tests/vm/demo.py --suite $(SUITE) --stage $(STAGE) --count $(N) --out $(B)/$(SUITE)/demo

check:
	@tests/deps.sh check
	@tests/check.sh

# All units, or those that T names, with or without their "test_". What a part of them needs is built
# for that part alone.
unit_tests := $(units) $(wildcard tests/tools/test_*.py tests/bed/test_*.py tests/docs/test_*.py \
	tests/ctl/test_*.py tests/seat/test_*.py tests/host/test_*.py tests/link/test_*.py)
named = $(filter %/test_$(1:test_%=%) %/test_$(1:test_%=%).py,$(unit_tests))
unit_chosen := $(if $(T),$(foreach name,$(T),$(call named,$(name))),$(unit_tests))
unit_unknown := $(strip $(foreach name,$(T),$(if $(call named,$(name)),,$(name))))
unit_needs := $(filter $(units),$(unit_chosen)) \
	$(if $(filter $(units),$(unit_chosen)),$(B)/san/scanoutd-fake $(B)/san/scanout-front \
		$(B)/san/scanout-front-fault) \
	$(if $(filter tests/ctl/%,$(unit_chosen)),$(B)/san/scanoutctl $(B)/san/scanoutd-fake $(B)/san/scanout-front) \
	$(if $(filter tests/seat/% tests/ctl/%,$(unit_chosen)),$(seat_tests)) \
	$(if $(filter tests/link/%,$(unit_chosen)),$(B)/san/scanout-link $(B)/san/scanoutd-fake) \
	$(if $(filter tests/host/%,$(unit_chosen)),$(B)/san/scanout-host $(B)/probe-video)
run_units = SCANOUTCTL=$(B)/san/scanoutctl SCANOUT_HOST=$(B)/san/scanout-host \
	SCANOUT_LINK=$(B)/san/scanout-link \
	PROBE_VIDEO=$(B)/probe-video $(seat_env) tests/unit.sh

check-unit:
ifneq ($(T),)
	@test -z '$(unit_unknown)' || { echo "There is no unit test '$(unit_unknown)'. Type:" \
		"ls tests/*/test_*; those of tests/vm are for 'make check-vm'" >&2; exit 64; }
else
	@tests/deps.sh check
endif
	@$(MAKE) --no-print-directory units T='$(T)'
	@$(run_units) $(unit_chosen)

.PHONY: units
units: $(unit_needs)

# What needs no rig, no other program and no bus: the first thing to run.
pure_tests := $(patsubst tests/unit/%.c,$(B)/san/%,$(shell \
	grep -L '"rig\.h"\|"bus_rig\.h"\|"scenario\.h"\|SCANOUTD_FAKE_BIN' tests/unit/test_*.c)) \
	$(wildcard tests/tools/test_*.py tests/bed/test_*.py tests/docs/test_*.py)
.PHONY: quick quick-build
quick:
	@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$$(nproc)) quick-build
	@$(MAKE) --no-print-directory format-check lint
	@$(run_units) $(pure_tests)
quick-build: all $(filter $(units),$(pure_tests))

check-vm:
	@tests/deps.sh check
	@set -e; for suite in $(if $(filter both,$(SUITE)),trixie bookworm,$(SUITE)); do \
		$(MAKE) --no-print-directory stage SUITE=$$suite; done
	@$(MAKE) --no-print-directory $(B)/scanout-host $(B)/probe-video
	@SCANOUT_HOST=$(B)/scanout-host PROBE_VIDEO=$(B)/probe-video \
		tests/vm/run.py --suite $(SUITE) --stage $(B)/SUITE/stage --out $(B)/SUITE/vm $(T)

fuzz:
	@tests/deps.sh check
	@$(MAKE) --no-print-directory $(FUZZERS:%=$(B)/fuzz/fuzz_%)
	@tests/fuzz.sh $(B)/fuzz $(FUZZ_SECONDS) $(FUZZERS)

bench:
	@tests/deps.sh bench
	@$(MAKE) --no-print-directory stage
	@tests/vm/bench.py --suite $(SUITE) --stage $(STAGE) --out $(B)/$(SUITE)/bench
	@$(MAKE) --no-print-directory $(B)/scanout-host
	@tests/vm/bench_capture.py --suite $(SUITE) --stage $(STAGE) --out $(B)/$(SUITE)/bench
