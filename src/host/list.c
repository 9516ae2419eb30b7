/* scanout-host list: every scanout of every VM, one a row. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "common/table.h"
#include "host/commands.h"
#include "host/options.h"
#include "host/qemu.h"
#include "host/report.h"

/* One VM, until its answer is there. */
struct entry {
	struct list *list;
	struct qemu qemu;
	bool is_done;
	/* How its first scanout is captured: it is the same for all. */
	struct screen screen;
	struct listener *listener;
	struct viewer viewer;
	sd_event_source *news;
	enum screen_path path;
};

struct list {
	struct host *host;
	sd_event *event;
	struct capture *capture;
	struct entry *entries; // as many as VMs
	int code;
};

static const char *path_name(enum screen_path path) {
	static const char *const names[] = {
		[SCREEN_UNKNOWN] = "",
		[SCREEN_MAP] = "map",
		[SCREEN_MESSAGES] = "messages",
		[SCREEN_UNSUPPORTED] = "unsupported",
	};
	return names[path];
}

/* The last one ends the loop. */
static void finish_entry(struct entry *entry) {
	struct list *list = entry->list;
	entry->is_done = true;
	for (size_t i = 0; i < list->host->n_vms; i++) {
		if (!list->entries[i].is_done) {
			return;
		}
	}
	(void)sd_event_exit(list->event, 0);
}

static int handle_news(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct entry *entry = data;
	struct screen_news news;
	screen_take(&entry->screen, &entry->viewer, &news);
	map_unref(news.frame.map);
	entry->path = news.path;
	if (!entry->is_done && (news.path != SCREEN_UNKNOWN || news.is_gone)) {
		finish_entry(entry);
	}
	return 0;
}

static void handle_found(void *data, struct qemu *qemu) {
	struct entry *entry = data;
	const struct console *first = TAILQ_FIRST(&qemu->consoles);
	if (entry->is_done || entry->listener) {
		return;
	}
	int r = first ? qemu_listen(qemu, first, qemu->name, &entry->screen, &entry->listener) : 0;
	if (r < 0) {
		entry->list->code = report_errno(entry->list->host, r);
	}
	if (!first || r < 0) {
		finish_entry(entry);
	}
}

static void handle_lost(void *data, struct qemu *qemu, const char *name, const char *message) {
	struct entry *entry = data;
	if (entry->is_done) {
		return;
	}
	entry->list->code = report(entry->list->host, HOST_UNREACHABLE, name ? name : "QemuGone",
		"%s: %s.", qemu->name, message ? message : "QEMU is gone");
	finish_entry(entry);
}

static const struct qemu_handlers handlers = {.found = handle_found, .lost = handle_lost};

static int start_entry(struct list *list, struct entry *entry, const struct vm *vm) {
	entry->qemu.name = vm->name;
	entry->qemu.address = vm->address;
	screen_init(&entry->screen);
	int r = screen_add_viewer(&entry->screen, &entry->viewer);
	if (r >= 0) {
		r = sd_event_add_io(
			list->event, &entry->news, entry->viewer.fd, EPOLLIN, handle_news, entry);
	}
	return r < 0 ? r : qemu_init(&entry->qemu, list->event, list->capture, &handlers, entry);
}

static int start(struct list *list) {
	const struct host *host = list->host;
	list->entries = calloc(host->n_vms, sizeof(*list->entries));
	int r = list->entries ? sd_event_new(&list->event) : -ENOMEM;
	for (size_t i = 0; i < host->n_vms && list->entries; i++) {
		list->entries[i].list = list;
		list->entries[i].viewer.fd = -1;
	}
	if (r >= 0) {
		r = capture_start(&list->capture);
	}
	for (size_t i = 0; i < host->n_vms && r >= 0; i++) {
		r = start_entry(list, &list->entries[i], &host->vms[i]);
	}
	return r;
}

static void finish(struct list *list) {
	for (size_t i = 0; list->entries && i < list->host->n_vms; i++) {
		struct entry *entry = &list->entries[i];
		qemu_finish(&entry->qemu);
		capture_remove(list->capture, entry->listener);
		sd_event_source_disable_unref(entry->news);
		if (entry->viewer.fd >= 0) {
			screen_remove_viewer(&entry->screen, &entry->viewer);
			screen_finish(&entry->screen);
		}
	}
	free(list->entries);
	capture_stop(list->capture);
	sd_event_unref(list->event);
}

/* As the user may write it: no more than needed. */
static int print_id(const struct entry *entry, const struct console *console, char **ret) {
	bool is_short = console_list_has_one_device(&entry->qemu.consoles);
	const char *slash = strrchr(console->device, '/');
	const char *device = slash ? slash + 1 : console->device;
	return asprintf(ret, "%s/%s%s%u", entry->qemu.name, is_short ? "" : device,
		       is_short ? "" : "/", console->head) < 0
		       ? -ENOMEM
		       : 0;
}

static int add_row(struct table *table, const struct entry *entry, const struct console *console) {
	AUTO_FREE char *id = NULL;
	char head[16], size[32];
	if (print_id(entry, console, &id) < 0) {
		id = NULL;
		return -ENOMEM;
	}
	snprintf(head, sizeof(head), "%u", console->head);
	snprintf(size, sizeof(size), "%ux%u", console->width, console->height);
	const char *cells[] = {id, head, console->device, size, path_name(entry->path)};
	int r = 0;
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]) && r == 0; i++) {
		r = table_add(table, cells[i], NULL);
	}
	return r;
}

static int print_table(const struct list *list) {
	static const char *const names[] = {"SCANOUT", "HEAD", "DEVICE", "SIZE", "CAPTURE"};
	AUTO_TABLE struct table table = TABLE_INIT(sizeof(names) / sizeof(names[0]));
	const struct console *console;
	int r = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && r == 0; i++) {
		r = table_add(&table, names[i], "1");
	}
	for (size_t i = 0; i < list->host->n_vms; i++) {
		TAILQ_FOREACH (console, &list->entries[i].qemu.consoles, link) {
			r = r < 0 ? r : add_row(&table, &list->entries[i], console);
		}
	}
	if (r == 0) {
		table_print(&table, list->host->color);
	}
	return r;
}

static int add_object(cJSON *array, const struct entry *entry, const struct console *console) {
	AUTO_FREE char *id = NULL;
	cJSON *object = cJSON_CreateObject();
	if (!cJSON_AddItemToArray(array, object) || print_id(entry, console, &id) < 0) {
		id = NULL;
		return -ENOMEM;
	}
	return cJSON_AddStringToObject(object, "id", id) &&
			       cJSON_AddStringToObject(object, "vm", entry->qemu.name) &&
			       cJSON_AddStringToObject(object, "device", console->device) &&
			       cJSON_AddNumberToObject(object, "head", console->head) &&
			       cJSON_AddNumberToObject(object, "width", console->width) &&
			       cJSON_AddNumberToObject(object, "height", console->height) &&
			       cJSON_AddStringToObject(object, "capture", path_name(entry->path))
		       ? 0
		       : -ENOMEM;
}

static int print_json(const struct list *list) {
	AUTO_JSON cJSON *object = cJSON_CreateObject();
	cJSON *array = cJSON_AddArrayToObject(object, "scanouts");
	const struct console *console;
	int r = array ? 0 : -ENOMEM;
	for (size_t i = 0; i < list->host->n_vms; i++) {
		TAILQ_FOREACH (console, &list->entries[i].qemu.consoles, link) {
			r = r < 0 ? r : add_object(array, &list->entries[i], console);
		}
	}
	return r < 0 ? r : json_print(object);
}

static int parse(struct host *host, int argc, char *argv[]) {
	static const struct option options[] = {OPTIONS_COMMON, {0}};
	int option;
	optind = 0; // glibc: start again with this argv
	while ((option = getopt_long(argc, argv, ":jh", options, NULL)) != -1) {
		int code = options_common(host, option, argv);
		if (code != HOST_OK || host->finished) {
			return code;
		}
	}
	return options_finish(host, argc, argv, 0);
}

int run_list(struct host *host, int argc, char *argv[]) {
	struct list list = {.host = host};
	int code = parse(host, argc, argv);
	if (code != HOST_OK || host->finished) {
		return code;
	}
	int r = start(&list);
	if (r >= 0) {
		r = sd_event_loop(list.event);
	}
	if (r >= 0) {
		r = host->json ? print_json(&list) : print_table(&list);
	}
	finish(&list);
	return r < 0 ? report_errno(host, r) : list.code;
}
