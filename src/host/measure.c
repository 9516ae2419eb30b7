/* scanout-host measure: how many pictures come, how old they get, and what that costs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "common/number.h"
#include "common/table.h"
#include "host/commands.h"
#include "host/meter.h"
#include "host/options.h"
#include "host/report.h"

#define DEFAULT_SECONDS 5
#define MAX_SECONDS 3600
/* For the first picture of each. */
#define START_USEC (2 * UINT64_C(1000000))

struct measure {
	struct host *host;
	char **scanouts; // borrowed: the operands; none: all
	size_t n_scanouts;
	unsigned seconds;
	sd_event *event;
	struct capture *capture;
	struct qemu qemu;
	struct meter *meters;
	size_t n_meters;
	sd_event_source *timer; // until it begins, and then until it ends
	bool is_begun;
	uint64_t cpu_usec; // this process's, at the beginning; at the end, what it took
};

static uint64_t cpu_usec(void) {
	struct rusage usage;
	(void)getrusage(RUSAGE_SELF, &usage); // cannot fail with valid arguments
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void fail(struct measure *measure, int code) {
	(void)sd_event_exit(measure->event, code);
}

static void set_timer(struct measure *measure, uint64_t usec) {
	(void)sd_event_source_set_time_relative(measure->timer, usec);
	(void)sd_event_source_set_enabled(measure->timer, SD_EVENT_ONESHOT);
}

static void begin(struct measure *measure) {
	measure->is_begun = true;
	for (size_t i = 0; i < measure->n_meters; i++) {
		meter_begin(&measure->meters[i]);
	}
	measure->cpu_usec = cpu_usec();
	set_timer(measure, (uint64_t)measure->seconds * 1000000);
}

static int handle_timer(sd_event_source *source, uint64_t usec, void *data) {
	struct measure *measure = data;
	if (!measure->is_begun) {
		begin(measure);
		return 0;
	}
	measure->cpu_usec = cpu_usec() - measure->cpu_usec;
	return sd_event_exit(measure->event, HOST_OK);
}

static bool are_all_seen(const struct measure *measure) {
	for (size_t i = 0; i < measure->n_meters; i++) {
		if (!measure->meters[i].is_seen) {
			return false;
		}
	}
	return true;
}

static int handle_news(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct measure *measure = data;
	for (size_t i = 0; i < measure->n_meters; i++) {
		struct meter *meter = &measure->meters[i];
		int r = meter->viewer.fd == fd ? meter_read(meter) : 0;
		if (r < 0) {
			fail(measure, report_errno(measure->host, r));
		} else if (meter->is_gone) {
			fail(measure, report(measure->host, HOST_UNREACHABLE, "QemuGone",
					      "QEMU closed the connection of %s.", meter->title));
		}
	}
	if (!measure->is_begun && are_all_seen(measure)) {
		begin(measure);
	}
	return 0;
}

static int add_meter(struct measure *measure, const struct console *console, const char *name) {
	struct meter *meter = &measure->meters[measure->n_meters];
	char *title;
	if (asprintf(&title, "%s/%s", measure->qemu.name, name) < 0) {
		return -ENOMEM;
	}
	measure->n_meters++;
	int r = meter_init(meter, title);
	if (r >= 0) {
		r = qemu_listen(
			&measure->qemu, console, meter->title, &meter->screen, &meter->listener);
	}
	return r < 0 ? r
		     : sd_event_add_io(measure->event, NULL, meter->viewer.fd, EPOLLIN, handle_news,
			       measure);
}

static int add_all(struct measure *measure) {
	const struct console *console;
	TAILQ_FOREACH (console, &measure->qemu.consoles, link) {
		AUTO_FREE char *name = NULL;
		int r = console_name(&measure->qemu.consoles, console, &name);
		if (r >= 0) {
			r = add_meter(measure, console, name);
		}
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static int add_named(struct measure *measure) {
	for (size_t i = 0; i < measure->n_scanouts; i++) {
		const char *name = measure->scanouts[i];
		struct console *console;
		int r = console_find(&measure->qemu.consoles, name, &console);
		if (r < 0) {
			AUTO_FREE char *text = NULL;
			const char *error = console_explain(r, measure->qemu.name, name, &text);
			fail(measure, report(measure->host, HOST_FAILED, error, "%s.",
					      text ? text : name));
			return 0;
		}
		r = add_meter(measure, console, name);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static void handle_found(void *data, struct qemu *qemu) {
	struct measure *measure = data;
	const struct console *console;
	size_t n = measure->n_scanouts;
	if (n == 0) {
		TAILQ_FOREACH (console, &qemu->consoles, link) {
			n++;
		}
	}
	measure->meters = calloc(n, sizeof(*measure->meters));
	int r = -ENOMEM;
	if (measure->meters) {
		r = measure->n_scanouts ? add_named(measure) : add_all(measure);
	}
	if (r < 0) {
		fail(measure, report_errno(measure->host, r));
	}
	set_timer(measure, START_USEC);
}

static void handle_lost(void *data, struct qemu *qemu, const char *name, const char *message) {
	struct measure *measure = data;
	fail(measure, report(measure->host, HOST_UNREACHABLE, name ? name : "QemuGone", "%s.",
			      message ? message : "QEMU is gone"));
}

static const struct qemu_handlers handlers = {.found = handle_found, .lost = handle_lost};

static double rate(const struct measure *measure, uint64_t n) {
	return (double)n / measure->seconds;
}

static int add_row(struct table *table, const struct measure *measure, struct meter *meter) {
	char come[32], read[32], age[32], late[32];
	snprintf(come, sizeof(come), "%.1f", rate(measure, meter->n_come));
	snprintf(read, sizeof(read), "%.1f", rate(measure, meter->n_read));
	snprintf(age, sizeof(age), "%.2f", ages_find(&meter->ages, 50) / 1e3);
	snprintf(late, sizeof(late), "%.2f", ages_find(&meter->ages, 99) / 1e3);
	const char *cells[] = {meter->title, screen_path_name(meter->path), come, read, age, late};
	int r = 0;
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]) && r == 0; i++) {
		r = table_add(table, cells[i], NULL);
	}
	return r;
}

static uint64_t count_read(const struct measure *measure) {
	uint64_t n = 0;
	for (size_t i = 0; i < measure->n_meters; i++) {
		n += measure->meters[i].n_read;
	}
	return n;
}

static int print_table(const struct measure *measure) {
	static const char *const names[] = {
		"SCANOUT", "CAPTURE", "FRAMES/S", "READ/S", "AGE MS", "P99 MS"};
	AUTO_TABLE struct table table = TABLE_INIT(sizeof(names) / sizeof(names[0]));
	int r = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && r == 0; i++) {
		r = table_add(&table, names[i], "1");
	}
	for (size_t i = 0; i < measure->n_meters && r == 0; i++) {
		r = add_row(&table, measure, &measure->meters[i]);
	}
	if (r < 0) {
		return r;
	}
	uint64_t n = count_read(measure);
	table_print(&table, measure->host->color);
	printf("%.1f pictures read a second in all; %.2f ms of CPU for each\n", rate(measure, n),
		n ? (double)measure->cpu_usec / 1e3 / (double)n : 0.0);
	return 0;
}

static int add_object(cJSON *array, struct meter *meter) {
	cJSON *object = cJSON_CreateObject();
	return cJSON_AddItemToArray(array, object) &&
			       cJSON_AddStringToObject(object, "id", meter->title) &&
			       cJSON_AddStringToObject(
				       object, "capture", screen_path_name(meter->path)) &&
			       cJSON_AddNumberToObject(object, "frames", (double)meter->n_come) &&
			       cJSON_AddNumberToObject(object, "read", (double)meter->n_read) &&
			       cJSON_AddNumberToObject(object, "bytes", (double)meter->n_bytes) &&
			       cJSON_AddNumberToObject(
				       object, "age_p50_usec", ages_find(&meter->ages, 50)) &&
			       cJSON_AddNumberToObject(
				       object, "age_p99_usec", ages_find(&meter->ages, 99))
		       ? 0
		       : -ENOMEM;
}

static int print_object(const struct measure *measure) {
	AUTO_JSON cJSON *object = cJSON_CreateObject();
	if (!cJSON_AddNumberToObject(object, "seconds", measure->seconds) ||
		!cJSON_AddNumberToObject(object, "cpu_usec", (double)measure->cpu_usec)) {
		return -ENOMEM;
	}
	cJSON *array = cJSON_AddArrayToObject(object, "scanouts");
	int r = array ? 0 : -ENOMEM;
	for (size_t i = 0; i < measure->n_meters && r == 0; i++) {
		r = add_object(array, &measure->meters[i]);
	}
	return r < 0 ? r : json_print(object);
}

static int prepare(struct measure *measure, const struct vm *vm) {
	measure->qemu.name = vm->name;
	measure->qemu.address = vm->address;
	int r = sd_event_new(&measure->event);
	if (r >= 0) {
		r = sd_event_add_time_relative(measure->event, &measure->timer, CLOCK_MONOTONIC, 0,
			0, handle_timer, measure);
	}
	if (r >= 0) {
		r = sd_event_source_set_enabled(measure->timer, SD_EVENT_OFF);
	}
	if (r >= 0) {
		r = capture_start(&measure->capture);
	}
	return r < 0 ? r
		     : qemu_init(&measure->qemu, measure->event, measure->capture, &handlers,
			       measure);
}

static int run(struct measure *measure, const struct vm *vm) {
	int r = prepare(measure, vm);
	int code = r < 0 ? report_errno(measure->host, r) : sd_event_loop(measure->event);
	if (code == HOST_OK) {
		r = measure->host->json ? print_object(measure) : print_table(measure);
		code = r < 0 ? report_errno(measure->host, r) : HOST_OK;
	}
	qemu_finish(&measure->qemu);
	for (size_t i = 0; i < measure->n_meters; i++) {
		meter_finish(&measure->meters[i], measure->capture);
	}
	free(measure->meters);
	capture_stop(measure->capture);
	sd_event_source_unref(measure->timer);
	sd_event_unref(measure->event);
	return code < 0 ? report_errno(measure->host, code) : code;
}

static int parse_seconds(struct measure *measure, const char *text) {
	if (!number_take(&text, MAX_SECONDS, &measure->seconds) || *text != '\0' ||
		measure->seconds == 0) {
		return report_usage(
			measure->host, "--seconds is a number from 1 to %d.", MAX_SECONDS);
	}
	return HOST_OK;
}

static int parse(struct measure *measure, int argc, char *argv[]) {
	enum {
		SECONDS = OPTION_OWN,
		COPIES
	};
	static const struct option options[] = {{"seconds", required_argument, NULL, SECONDS},
		{"copies", no_argument, NULL, COPIES}, OPTIONS_COMMON, {0}};
	int option;
	optind = 0; // glibc: start again with this argv
	while ((option = getopt_long(argc, argv, ":jh", options, NULL)) != -1) {
		int code = HOST_OK;
		if (option == SECONDS) {
			code = parse_seconds(measure, optarg);
		} else if (option == COPIES) {
			measure->qemu.wants_copies = true;
		} else {
			code = options_common(measure->host, option, argv);
		}
		if (code != HOST_OK || measure->host->finished) {
			return code;
		}
	}
	return options_finish(measure->host, argc, argv, argc - optind);
}

/* All scanouts are of one VM: the names lose what tells it. */
static int split(struct measure *measure, char *argv[], const struct vm **ret) {
	const struct vm *vm = NULL;
	if (measure->n_scanouts == 0 && measure->host->n_vms > 1) {
		return report_usage(measure->host, "Name scanouts of one VM, or one VM by --vm.");
	}
	*ret = &measure->host->vms[0];
	for (size_t i = 0; i < measure->n_scanouts; i++) {
		const char *rest;
		int code = options_split(measure->host, argv[i], &vm, &rest);
		if (code == HOST_OK && i > 0 && vm != *ret) {
			code = report_usage(measure->host, "'%s' is of another VM than '%s'.",
				argv[i], argv[0]);
		}
		if (code != HOST_OK) {
			return code;
		}
		*ret = vm;
		argv[i] += rest - argv[i];
	}
	measure->scanouts = argv;
	return HOST_OK;
}

int run_measure(struct host *host, int argc, char *argv[]) {
	struct measure measure = {.host = host, .seconds = DEFAULT_SECONDS};
	const struct vm *vm = NULL;
	int code = parse(&measure, argc, argv);
	if (code != HOST_OK || host->finished) {
		return code;
	}
	measure.n_scanouts = (size_t)(argc - optind);
	code = split(&measure, argv + optind, &vm);
	return code == HOST_OK ? run(&measure, vm) : code;
}
