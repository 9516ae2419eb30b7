#include "host/inspection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The last one ends the loop. */
static void finish(struct inspection *inspection) {
	for (size_t i = 0; i < inspection->n_vms; i++) {
		if (!inspection->vms[i].is_done || !inspection->vms[i].is_linked) {
			return;
		}
	}
	(void)sd_event_exit(inspection->event, 0);
}

static void finish_vm(struct inspected *vm) {
	vm->is_done = true;
	finish(vm->inspection);
}

static void fail_vm(struct inspected *vm, const char *error, const char *message) {
	vm->error = strdup(error);
	vm->message = strdup(message);
	finish_vm(vm);
}

static int handle_news(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct inspected *vm = data;
	struct screen_news news;
	screen_take(&vm->screen, &vm->viewer, &news);
	map_unref(news.frame.map);
	vm->path = news.path;
	if (!vm->is_done && news.path != SCREEN_UNKNOWN) {
		finish_vm(vm);
	} else if (!vm->is_done && news.is_gone) {
		fail_vm(vm, "QemuGone", "QEMU closed the connection before it sent a picture");
	}
	return 0;
}

static void handle_found(void *data, struct qemu *qemu) {
	struct inspected *vm = data;
	const struct console *first = vm->inspection->probes ? TAILQ_FIRST(&qemu->consoles) : NULL;
	if (vm->is_done || vm->listener) {
		return;
	}
	int r = first ? qemu_listen(qemu, first, qemu->name, &vm->screen, &vm->listener) : 0;
	if (r < 0) {
		fail_vm(vm, "System", strerror(-r));
	} else if (!first) {
		finish_vm(vm);
	}
}

static void handle_lost(void *data, struct qemu *qemu, const char *name, const char *message) {
	struct inspected *vm = data;
	if (!vm->is_done) {
		fail_vm(vm, name ? name : "QemuGone", message ? message : "QEMU is gone");
	}
}

static void handle_ready(void *data, struct link *link) {
	struct inspected *vm = data;
	vm->is_linked = true;
	finish(vm->inspection);
}

static void handle_link_lost(void *data, struct link *link, const char *name, const char *message) {
	struct inspected *vm = data;
	if (!vm->is_linked) {
		vm->link_error = strdup(name);
		vm->link_message = strdup(message);
		vm->is_linked = true;
		finish(vm->inspection);
	}
}

static const struct link_handlers link_handlers = {.ready = handle_ready, .lost = handle_link_lost};

static const struct qemu_handlers handlers = {.found = handle_found, .lost = handle_lost};

static int start_vm(struct inspected *vm, const struct vm *named) {
	struct inspection *inspection = vm->inspection;
	vm->qemu.name = named->name;
	vm->qemu.address = named->address;
	screen_init(&vm->screen);
	int r = screen_add_viewer(&vm->screen, &vm->viewer);
	if (r >= 0) {
		r = sd_event_add_io(
			inspection->event, &vm->news, vm->viewer.fd, EPOLLIN, handle_news, vm);
	}
	vm->has_link = named->link;
	vm->is_linked = !named->link;
	if (r >= 0 && named->link) {
		r = link_init(&vm->link, inspection->event, named->link, &link_handlers, vm);
	}
	return r < 0 ? r
		     : qemu_init(&vm->qemu, inspection->event, inspection->capture, &handlers, vm);
}

int inspection_run(struct inspection *inspection, const struct host *host, bool probes) {
	*inspection = (struct inspection){.vms = calloc(host->n_vms, sizeof(*inspection->vms))};
	if (!inspection->vms) {
		return -ENOMEM;
	}
	inspection->n_vms = host->n_vms;
	inspection->probes = probes;
	for (size_t i = 0; i < host->n_vms; i++) {
		inspection->vms[i].inspection = inspection;
		inspection->vms[i].viewer.fd = -1;
	}
	int r = sd_event_new(&inspection->event);
	if (r >= 0) {
		r = capture_start(&inspection->capture);
	}
	for (size_t i = 0; i < host->n_vms && r >= 0; i++) {
		r = start_vm(&inspection->vms[i], &host->vms[i]);
	}
	return r < 0 ? r : sd_event_loop(inspection->event);
}

void inspection_finish(struct inspection *inspection) {
	for (size_t i = 0; i < inspection->n_vms; i++) {
		struct inspected *vm = &inspection->vms[i];
		qemu_finish(&vm->qemu);
		link_finish(&vm->link);
		capture_remove(inspection->capture, vm->listener);
		sd_event_source_disable_unref(vm->news);
		if (vm->viewer.fd >= 0) {
			screen_remove_viewer(&vm->screen, &vm->viewer);
			screen_finish(&vm->screen);
		}
		free(vm->error);
		free(vm->message);
		free(vm->link_error);
		free(vm->link_message);
	}
	free(inspection->vms);
	capture_stop(inspection->capture);
	sd_event_unref(inspection->event);
}
