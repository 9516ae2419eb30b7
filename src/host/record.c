/* scanout-host record: scanouts as videos, until SIGINT. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "common/number.h"
#include "common/say.h"
#include "host/commands.h"
#include "host/options.h"
#include "host/recording.h"
#include "host/report.h"

#define DEFAULT_FPS 30
#define MAX_FPS 240

struct record {
	struct host *host;
	const char *path;   // a file, or a folder for several
	char *const *names; // borrowed: the operands
	size_t n;
	struct recorder_options options;
	sd_event *event;
	struct capture *capture;
	struct recording *recordings;
	size_t n_failed;
	int code; // of the first that has failed
};

/* To stdout, unless the video goes there. */
static void say_summary(const struct recording *recording) {
	const struct recorder_result *result = &recording->result;
	say("%s: %llu pictures in %.1f s, %.1f MB.", recording->want.title,
		(unsigned long long)result->n_frames, (double)result->usec / 1e6,
		(double)result->n_bytes / 1e6);
}

static cJSON *describe(const struct recording *recording) {
	const struct recorder_result *result = &recording->result;
	AUTO_JSON cJSON *object = cJSON_CreateObject();
	return cJSON_AddStringToObject(object, "recorded", recording->path) &&
			       cJSON_AddNumberToObject(
				       object, "frames", (double)result->n_frames) &&
			       cJSON_AddNumberToObject(object, "usec", (double)result->usec) &&
			       cJSON_AddNumberToObject(object, "bytes", (double)result->n_bytes) &&
			       cJSON_AddNumberToObject(
				       object, "age_p50_usec", result->age_p50_usec) &&
			       cJSON_AddNumberToObject(object, "age_p99_usec", result->age_p99_usec)
		       ? TAKE_PTR(object)
		       : NULL;
}

/* One object for one scanout; of several, those that went well. */
static int print_objects(const struct record *record) {
	AUTO_JSON cJSON *all = cJSON_CreateObject();
	cJSON *array = cJSON_AddArrayToObject(all, "recordings");
	for (size_t i = 0; i < record->n; i++) {
		if (record->recordings[i].has_failed) {
			continue;
		}
		cJSON *object = describe(&record->recordings[i]);
		if (!cJSON_AddItemToArray(array, object)) {
			cJSON_Delete(object);
			return -ENOMEM;
		}
	}
	const cJSON *one = record->n == 1 ? cJSON_GetArrayItem(array, 0) : NULL;
	return json_print(one ? one : all);
}

static void note_failure(struct record *record, int code) {
	record->n_failed++;
	record->code = record->code == HOST_OK ? code : record->code;
}

static int complete(struct record *record) {
	for (size_t i = 0; i < record->n; i++) {
		struct recording *recording = &record->recordings[i];
		int code = recording_stop(recording);
		if (code != HOST_OK) {
			recording->has_failed = true;
			note_failure(record, code);
		} else if (!recording->has_failed && !record->host->json) {
			say_summary(recording);
		}
	}
	bool has_any = record->n_failed < record->n && strcmp(record->path, "-") != 0;
	return record->host->json && has_any ? print_objects(record) : 0;
}

static int handle_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data) {
	struct record *record = data;
	return sd_event_exit(record->event, 0);
}

/* The others go on. */
static void handle_failed(void *data, int code) {
	struct record *record = data;
	note_failure(record, code);
	if (record->n_failed == record->n) {
		(void)sd_event_exit(record->event, 0);
	}
}

/*
 * Before any thread: all of them leave the signals to the loop. They stay blocked, so that a second
 * one does not break off the completing: timeout(1) sends two.
 */
static int catch_signals(struct record *record) {
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	/* What a shell's script starts by '&' ignores these two. */
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGQUIT, SIG_DFL);
	int r = -pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (r >= 0) {
		r = sd_event_add_signal(record->event, NULL, SIGINT, handle_signal, record);
	}
	return r < 0 ? r : sd_event_add_signal(record->event, NULL, SIGTERM, handle_signal, record);
}

static int prepare(struct record *record) {
	record->recordings = calloc(record->n, sizeof(*record->recordings));
	if (!record->recordings) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < record->n; i++) {
		record->recordings[i] = (struct recording){
			.host = record->host, .fd = -1, .failed = handle_failed, .data = record};
	}
	int r = sd_event_new(&record->event);
	if (r >= 0) {
		r = catch_signals(record);
	}
	return r < 0 ? r : capture_start(&record->capture);
}

/* A file in the folder, named by what the user calls the scanout: vm/2 → vm-2.mp4 */
static char *name_file(const struct record *record, const char *scanout) {
	char *path;
	if (record->n == 1) {
		return strdup(record->path);
	}
	if (asprintf(&path, "%s/%s.%s", record->path, scanout, record->options.format->name) < 0) {
		return NULL;
	}
	for (char *c = path + strlen(record->path) + 1; *c; c++) {
		*c = *c == '/' ? '-' : *c;
	}
	return path;
}

static int start_one(struct record *record, size_t i) {
	const struct vm *vm;
	const char *scanout;
	int code = options_split(record->host, record->names[i], &vm, &scanout);
	if (code != HOST_OK) {
		return code;
	}
	char *path = name_file(record, record->names[i]);
	if (!path) {
		return report_errno(record->host, -ENOMEM);
	}
	return recording_start(&record->recordings[i], record->event, record->capture, vm, scanout,
		&record->options, path);
}

static int start_all(struct record *record) {
	int code = HOST_OK;
	for (size_t i = 0; i < record->n && code == HOST_OK; i++) {
		code = start_one(record, i);
	}
	return code;
}

static void finish(struct record *record) {
	for (size_t i = 0; record->recordings && i < record->n; i++) {
		recording_finish(&record->recordings[i]);
	}
	free(record->recordings);
	capture_stop(record->capture);
	sd_event_unref(record->event);
}

static int run(struct record *record) {
	int r = prepare(record);
	int code = r < 0 ? HOST_OK : start_all(record);
	if (r >= 0 && code == HOST_OK) {
		r = sd_event_loop(record->event);
		int r2 = complete(record);
		r = r < 0 ? r : r2;
		code = record->code;
	}
	finish(record);
	return r < 0 ? report_errno(record->host, r) : code;
}

static int parse_fps(struct record *record, const char *text) {
	if (!number_take(&text, MAX_FPS, &record->options.fps) || *text != '\0' ||
		record->options.fps == 0) {
		return report_usage(record->host, "--fps is a number from 1 to %d.", MAX_FPS);
	}
	return HOST_OK;
}

static int parse_size(struct record *record, const char *text) {
	unsigned width, height;
	if (!number_take(&text, FRAME_MAX_SIDE, &width) || *text++ != 'x' ||
		!number_take(&text, FRAME_MAX_SIDE, &height) || *text != '\0' || width < 16 ||
		height < 16) {
		return report_usage(record->host, "--size is WIDTHxHEIGHT, each from 16 to %d.",
			FRAME_MAX_SIDE);
	}
	record->options.width = width & ~1U;
	record->options.height = height & ~1U;
	return HOST_OK;
}

static int parse_format(struct record *record, const char *text) {
	record->options.format = output_find_format(text);
	return record->options.format
		       ? HOST_OK
		       : report_usage(record->host, "'%s' is no format: mp4 or h264.", text);
}

enum {
	OPTION_FORMAT = OPTION_OWN,
	OPTION_FPS,
	OPTION_SIZE,
};

static int parse_option(struct record *record, int option, char *argv[]) {
	switch (option) {
	case 'o':
		record->path = optarg;
		return HOST_OK;
	case OPTION_FORMAT:
		return parse_format(record, optarg);
	case OPTION_FPS:
		return parse_fps(record, optarg);
	case OPTION_SIZE:
		return parse_size(record, optarg);
	default:
		return options_common(record->host, option, argv);
	}
}

static bool is_folder(const char *path) {
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Two of them would write the same file. */
static const char *find_twice(const struct record *record) {
	for (size_t i = 1; i < record->n; i++) {
		for (size_t j = 0; j < i; j++) {
			if (strcmp(record->names[i], record->names[j]) == 0) {
				return record->names[i];
			}
		}
	}
	return NULL;
}

/* What the options say together. */
static int check(struct record *record) {
	if (!record->path) {
		return report_usage(record->host, "Name a file by -o, or - for stdout.");
	}
	if (record->n > 1 && !is_folder(record->path)) {
		return report_usage(record->host,
			"Several scanouts need a folder: '%s' is none. Type: mkdir -p '%s'",
			record->path, record->path);
	}
	const char *twice = find_twice(record);
	if (twice) {
		return report_usage(record->host, "'%s' is named twice.", twice);
	}
	if (!record->options.format) {
		record->options.format = record->n > 1 ? output_find_format("mp4")
						       : output_guess_format(record->path);
	}
	if (!record->options.format) {
		return report_usage(record->host,
			"'%s' does not say which format: let it end in .mp4 or .h264, or use "
			"--format.",
			record->path);
	}
	return HOST_OK;
}

static int parse(struct record *record, int argc, char *argv[]) {
	static const struct option options[] = {{"output", required_argument, NULL, 'o'},
		{"format", required_argument, NULL, OPTION_FORMAT},
		{"fps", required_argument, NULL, OPTION_FPS},
		{"size", required_argument, NULL, OPTION_SIZE}, OPTIONS_COMMON, {0}};
	int option;
	optind = 0; // glibc: start again with this argv
	while ((option = getopt_long(argc, argv, ":o:jh", options, NULL)) != -1) {
		int code = parse_option(record, option, argv);
		if (code != HOST_OK || record->host->finished) {
			return code;
		}
	}
	record->names = argv + optind;
	record->n = (size_t)(argc - optind);
	int code = options_finish(record->host, argc, argv, record->n ? argc - optind : 1);
	return code == HOST_OK ? check(record) : code;
}

int run_record(struct host *host, int argc, char *argv[]) {
	struct record record = {.host = host, .options.fps = DEFAULT_FPS};
	int code = parse(&record, argc, argv);
	return code != HOST_OK || host->finished ? code : run(&record);
}
