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

static void handle_found(void *data, struct qemu *qemu) {
	struct want *want = data;
	struct console *console;
	int r = console_find(&qemu->consoles, want->scanout, &console);
	if (r < 0) {
		fail_find(want, r);
		return;
	}
	r = qemu_listen(qemu, console, want->title, &want->screen, &want->listener);
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

static void handle_lost(void *data, struct qemu *qemu, const char *name, const char *message) {
	struct want *want = data;
	drop_listener(want);
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
		drop_listener(want);
		screen_finish(&want->screen);
		free(want->title);
	}
}
