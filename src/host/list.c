/* scanout-host list: every scanout of every VM, one a row. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "common/table.h"
#include "host/commands.h"
#include "host/inspection.h"
#include "host/options.h"
#include "host/report.h"

static int print_id(const struct inspected *vm, const struct console *console, char **ret) {
	AUTO_FREE char *name = NULL;
	int r = console_name(&vm->qemu.consoles, console, &name);
	if (r < 0) {
		return r;
	}
	return asprintf(ret, "%s/%s", vm->qemu.name, name) < 0 ? -ENOMEM : 0;
}

static const struct tenant *find_tenant(const struct inspected *vm, const struct console *console) {
	static const struct tenant nobody;
	const struct tenant *tenant =
		tenants_of_head(&vm->link.tenants, console->device, console->head);
	return tenant ? tenant : &nobody;
}

/* Of 64 digits as engines show it: the first 12. */
static int shown_length(const char *container) {
	size_t length = strlen(container);
	return length == 64 && strspn(container, "0123456789abcdef") == length ? 12 : (int)length;
}

#define N_PLAIN 5  // columns without a link
#define N_LINKED 8 // and with one

static int add_row(struct table *table, const struct inspected *vm, const struct console *console) {
	const struct tenant *tenant = find_tenant(vm, console);
	AUTO_FREE char *id = NULL;
	char head[16], size[32], container[sizeof(tenant->container)];
	if (print_id(vm, console, &id) < 0) {
		id = NULL;
		return -ENOMEM;
	}
	snprintf(head, sizeof(head), "%u", console->head);
	snprintf(size, sizeof(size), "%ux%u", console->width, console->height);
	snprintf(container, sizeof(container), "%.*s", shown_length(tenant->container),
		tenant->container);
	const char *cells[N_LINKED] = {id, head, console->device, size, screen_path_name(vm->path),
		tenant->label, container, tenant->scanout};
	int r = 0;
	for (size_t i = 0; i < table->columns && r == 0; i++) {
		r = table_add(table, cells[i], NULL);
	}
	return r;
}

static bool has_link(const struct inspection *found) {
	for (size_t i = 0; i < found->n_vms; i++) {
		if (found->vms[i].has_link) {
			return true;
		}
	}
	return false;
}

static int print_table(const struct inspection *found, bool color) {
	static const char *const names[N_LINKED] = {
		"SCANOUT", "HEAD", "DEVICE", "SIZE", "CAPTURE", "LABEL", "CONTAINER", "LEASED"};
	AUTO_TABLE struct table table = TABLE_INIT(has_link(found) ? N_LINKED : N_PLAIN);
	const struct console *console;
	int r = 0;
	for (size_t i = 0; i < table.columns && r == 0; i++) {
		r = table_add(&table, names[i], "1");
	}
	for (size_t i = 0; i < found->n_vms; i++) {
		TAILQ_FOREACH (console, &found->vms[i].qemu.consoles, link) {
			r = r < 0 ? r : add_row(&table, &found->vms[i], console);
		}
	}
	if (r == 0) {
		table_print(&table, color);
	}
	return r;
}

static int add_object(cJSON *array, const struct inspected *vm, const struct console *console) {
	const struct tenant *tenant = find_tenant(vm, console);
	AUTO_FREE char *id = NULL;
	cJSON *object = cJSON_CreateObject();
	if (!cJSON_AddItemToArray(array, object) || print_id(vm, console, &id) < 0) {
		id = NULL;
		return -ENOMEM;
	}
	return cJSON_AddStringToObject(object, "id", id) &&
			       cJSON_AddStringToObject(object, "vm", vm->qemu.name) &&
			       cJSON_AddStringToObject(object, "device", console->device) &&
			       cJSON_AddNumberToObject(object, "head", console->head) &&
			       cJSON_AddNumberToObject(object, "width", console->width) &&
			       cJSON_AddNumberToObject(object, "height", console->height) &&
			       cJSON_AddStringToObject(
				       object, "capture", screen_path_name(vm->path)) &&
			       cJSON_AddStringToObject(object, "label", tenant->label) &&
			       cJSON_AddStringToObject(object, "container", tenant->container) &&
			       cJSON_AddStringToObject(object, "scanout", tenant->scanout)
		       ? 0
		       : -ENOMEM;
}

static int print_json(const struct inspection *found) {
	AUTO_JSON cJSON *object = cJSON_CreateObject();
	cJSON *array = cJSON_AddArrayToObject(object, "scanouts");
	const struct console *console;
	int r = array ? 0 : -ENOMEM;
	for (size_t i = 0; i < found->n_vms; i++) {
		TAILQ_FOREACH (console, &found->vms[i].qemu.consoles, link) {
			r = r < 0 ? r : add_object(array, &found->vms[i], console);
		}
	}
	return r < 0 ? r : json_print(object);
}

static int parse(struct host *host, int argc, char *argv[], bool *ret_probes) {
	enum {
		PROBE = OPTION_OWN
	};
	static const struct option options[] = {
		{"probe", no_argument, NULL, PROBE}, OPTIONS_COMMON, {0}};
	int option;
	optind = 0; // glibc: start again with this argv
	while ((option = getopt_long(argc, argv, ":jh", options, NULL)) != -1) {
		int code = HOST_OK;
		if (option == PROBE) {
			*ret_probes = true;
		} else {
			code = options_common(host, option, argv);
		}
		if (code != HOST_OK || host->finished) {
			return code;
		}
	}
	return options_finish(host, argc, argv, 0);
}

/* The code of the last VM, or link, that cannot be reached. */
static int report_lost(struct host *host, const struct inspection *found) {
	int code = HOST_OK;
	for (size_t i = 0; i < found->n_vms; i++) {
		const struct inspected *vm = &found->vms[i];
		if (vm->error) {
			code = report(host, HOST_UNREACHABLE, vm->error, "%s: %s.", vm->qemu.name,
				vm->message);
		}
		if (vm->link_error) {
			code = report(host, HOST_UNREACHABLE, vm->link_error, "%s: %s.",
				vm->qemu.name, vm->link_message);
		}
	}
	return code;
}

int run_list(struct host *host, int argc, char *argv[]) {
	struct inspection found;
	bool probes = false;
	int code = parse(host, argc, argv, &probes);
	if (code != HOST_OK || host->finished) {
		return code;
	}
	int r = inspection_run(&found, host, probes);
	if (r >= 0) {
		r = host->json ? print_json(&found) : print_table(&found, host->color);
	}
	code = r < 0 ? report_errno(host, r) : report_lost(host, &found);
	inspection_finish(&found);
	return code;
}
