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
CPP := -std=gnu11 -D_GNU_SOURCE -Isrc -Isrc/daemon -Isrc/common -MMD -MP \
	-DSCANOUTD_VERSION='"$(VERSION)"' -DSCANOUTD_SYSCONFDIR='"$(SYSCONFDIR)"'

ifneq ($(V),1)
Q := @
say = @printf '  %-7s %s\n' $(1) $(patsubst $(B)/%,%,$@)
endif

# `make` itself says what is missing instead of failing in the compiler.
need := $(filter-out deps help clean uninstall demo check check-unit check-vm bench lint format format-check,\
	$(or $(MAKECMDGOALS),all))
ifneq ($(need),)
ifneq ($(shell pkg-config --exists $(PKGS) 2>/dev/null && echo yes),yes)
$(error Development packages are missing ($(PKGS)). Type: make deps)
endif
endif
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS))
LIBS_daemon = $(shell pkg-config --libs libdrm libsystemd libseat libcjson inih) -lpthread
LIBS_ctl = $(shell pkg-config --libs libsystemd libcjson)

common_o := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/common/*.c))
daemon_o := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/daemon/*.c)) $(common_o)
ctl_o := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/ctl/*.c)) $(common_o)
man := $(patsubst docs/man/%.scd,$(B)/man/%,$(wildcard docs/man/*.scd))

.PHONY: all
all: $(B)/scanoutd $(B)/scanoutctl $(man)

$(B)/scanoutd: $(daemon_o)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LIBS_daemon)

$(B)/scanoutctl: $(ctl_o)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LIBS_ctl)

$(B)/%.o: src/%.c Makefile
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) $(PKG_CFLAGS) $(WARN) $(HARDEN) $(CFLAGS) -c -o $@ $<

$(B)/man/%: docs/man/%.scd
	$(call say,MAN)
	@mkdir -p $(@D)
	$(Q)scdoc < $< > $@

-include $(shell find $(B) -name '*.d' 2>/dev/null)
