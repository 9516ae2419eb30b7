#include "host/want.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/say.h"

static void drop_listener(struct want *want) {
	capture_remove(want->qemu.capture, TAKE_PTR(want->listener));
}

static void fail_find(struct want *want, int r) {
	AUTO_FREE char *text = NULL;
	const char *error = console_explain(r, want->qemu.name, want->scanout, &text);
	want->failed(want->data, HOST_FAILED, error, text ? text : "");
}

static void fail_name(struct want *want, int r) {
	AUTO_FREE char *text = NULL;
	int n = r == -ENOTUNIQ
			? asprintf(&text,
				  "Several scanouts of '%s' have the label '%s'. Name one by its "
				  "head, see 'scanout-host list'",
				  want->qemu.name, want->scanout)
			: asprintf(&text,
				  "'%s' has no scanout and no label '%s'. Type: scanout-host list",
				  want->qemu.name, want->scanout);
	want->failed(want->data, HOST_FAILED, r == -ENOTUNIQ ? "AmbiguousScanout" : "NoSuchScanout",
		n < 0 ? "" : text);
}

static void attach(struct want *want, const struct console *console) {
	int r = qemu_listen(&want->qemu, console, want->title, &want->screen, &want->listener);
	if (r < 0) {
		want->failed(want->data, HOST_FAILED, "System", strerror(-r));
		return;
	}
	if (want->is_lost) {
		say("%s: QEMU is back.", want->title);
	}
	want->was_found = true;
	want->is_lost = false;
}

/* The console of a name that the VM knows. */
static int find_tenant(struct want *want, struct console **ret) {
	const struct tenant *tenant;
	char name[128];
	int r = tenants_find(&want->link.tenants, want->scanout, &tenant);
	if (r < 0) {
		return r;
	}
	snprintf(name, sizeof(name), "%s%s%u", tenant->device, *tenant->device ? "/" : "",
		tenant->head);
	return console_find(&want->qemu.consoles, name, ret);
}

/* After QEMU was away, the VM may have to boot first. */
static void look_up(struct want *want) {
	struct console *console;
	int r = find_tenant(want, &console);
	if (r >= 0) {
		link_finish(&want->link);
		attach(want, console);
	} else if (!want->was_found) {
		fail_name(want, r);
	}
}

static void handle_ready(void *data, struct link *link) {
	struct want *want = data;
	if (want->qemu.is_found && !want->listener) {
		look_up(want);
	}
}

static void handle_link_lost(void *data, struct link *link, const char *name, const char *message) {
	struct want *want = data;
	if (!want->was_found) {
		want->failed(want->data, HOST_UNREACHABLE, name, message);
	}
}

static const struct link_handlers link_handlers = {.ready = handle_ready, .lost = handle_link_lost};

static void handle_found(void *data, struct qemu *qemu) {
	struct want *want = data;
	struct console *console;
	int r = console_find(&qemu->consoles, want->scanout, &console);
	if (r >= 0) {
		attach(want, console);
	} else if (r != -EINVAL || !want->link_path) {
		fail_find(want, r);
	} else {
		r = link_init(&want->link, qemu->event, want->link_path, &link_handlers, want);
		if (r < 0) {
			want->failed(want->data, HOST_FAILED, "System", strerror(-r));
		}
	}
}

static void handle_lost(void *data, struct qemu *qemu, const char *name, const char *message) {
	struct want *want = data;
	drop_listener(want);
	link_finish(&want->link);
	if (!want->was_found && name) {
		want->failed(want->data, HOST_UNREACHABLE, name, message);
	} else if (want->was_found && !want->is_lost) {
		want->is_lost = true;
		say("%s: QEMU is gone. Waiting until it is back.", want->title);
	}
}

static const struct qemu_handlers handlers = {.found = handle_found, .lost = handle_lost};

int want_init(struct want *want, sd_event *event, struct capture *capture, const struct vm *vm,
	const char *scanout) {
	want->scanout = scanout;
	want->link_path = vm->link;
	want->qemu.name = vm->name;
	want->qemu.address = vm->address;
	if (asprintf(&want->title, "%s/%s", vm->name, scanout) < 0) {
		want->title = NULL;
		return -ENOMEM;
	}
	screen_init(&want->screen);
	return qemu_init(&want->qemu, event, capture, &handlers, want);
}

void want_finish(struct want *want) {
	if (want->title) {
		qemu_finish(&want->qemu);
		link_finish(&want->link);
		drop_listener(want);
		screen_finish(&want->screen);
		free(want->title);
	}
}
