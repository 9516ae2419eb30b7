/* scanout-host record: a scanout as a video, until SIGINT. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "common/number.h"
#include "common/say.h"
#include "host/commands.h"
#include "host/file.h"
#include "host/options.h"
#include "host/recorder.h"
#include "host/report.h"
#include "host/want.h"

#define DEFAULT_FPS 30
#define MAX_FPS 240

struct record {
	struct host *host;
	const char *path;
	struct recorder_options options;
	sd_event *event;
	struct capture *capture;
	struct want want;
	struct recorder *recorder;
	int fd;
};

static int report_result(struct record *record, const struct recorder_result *result) {
	if (result->error < 0 && result->is_output) {
		return report(record->host, HOST_FAILED, "OutputFailed",
			"'%s' cannot be written: %s", record->path, file_explain(result->error));
	}
	if (result->error == -ENOSYS) {
		return report(record->host, HOST_FAILED, "NoEncoder",
			"libavcodec has no H.264 encoder here. Type: scanout-host doctor");
	}
	if (result->error < 0) {
		return report(record->host, HOST_FAILED, "EncoderFailed",
			"The picture cannot be encoded (error %d). Try another --size.",
			-result->error);
	}
	return HOST_OK;
}

/* To stdout, unless the video goes there. */
static int print_summary(struct record *record, const struct recorder_result *result) {
	if (!record->host->json) {
		say("%s: %llu pictures in %.1f s, %.1f MB.", record->want.title,
			(unsigned long long)result->n_frames, (double)result->usec / 1e6,
			(double)result->n_bytes / 1e6);
		return HOST_OK;
	}
	if (strcmp(record->path, "-") == 0) {
		return HOST_OK;
	}
	AUTO_JSON cJSON *object = cJSON_CreateObject();
	if (!cJSON_AddStringToObject(object, "recorded", record->path) ||
		!cJSON_AddNumberToObject(object, "frames", (double)result->n_frames) ||
		!cJSON_AddNumberToObject(object, "usec", (double)result->usec) ||
		!cJSON_AddNumberToObject(object, "bytes", (double)result->n_bytes)) {
		return report_errno(record->host, -ENOMEM);
	}
	return json_print(object) < 0 ? report_errno(record->host, -ENOMEM) : HOST_OK;
}

static int complete(struct record *record) {
	struct recorder_result result;
	recorder_stop(TAKE_PTR(record->recorder), &result);
	int code = report_result(record, &result);
	if (code == HOST_OK && result.n_frames == 0) {
		return report(record->host, HOST_FAILED, "NoPicture",
			"There was no picture to record: '%s' is empty.", record->path);
	}
	return code == HOST_OK ? print_summary(record, &result) : code;
}

static int handle_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data) {
	struct record *record = data;
	return sd_event_exit(record->event, complete(record));
}

static int handle_ended(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct record *record = data;
	return sd_event_exit(record->event, complete(record));
}

static void handle_failed(void *data, int code, const char *name, const char *message) {
	struct record *record = data;
	(void)sd_event_exit(record->event, report(record->host, code, name, "%s.", message));
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

static int prepare(struct record *record, const struct vm *vm, const char *scanout) {
	int r = sd_event_new(&record->event);
	if (r >= 0) {
		r = catch_signals(record);
	}
	if (r >= 0) {
		r = capture_start(&record->capture);
	}
	if (r >= 0) {
		record->want.failed = handle_failed;
		record->want.data = record;
		r = want_init(&record->want, record->event, record->capture, vm, scanout);
	}
	if (r >= 0) {
		record->options.screen = &record->want.screen;
		record->options.fd = record->fd;
		r = recorder_start(&record->recorder, &record->options);
	}
	return r < 0 ? r
		     : sd_event_add_io(record->event, NULL, recorder_fd(record->recorder), EPOLLIN,
			       handle_ended, record);
}

static int run(struct record *record, const struct vm *vm, const char *scanout) {
	struct recorder_result result;
	record->fd = file_open(record->path);
	if (record->fd < 0) {
		return report(record->host, HOST_FAILED, "OutputFailed",
			"'%s' cannot be written: %s", record->path, file_explain(record->fd));
	}
	int r = prepare(record, vm, scanout);
	int code = r < 0 ? report_errno(record->host, r) : sd_event_loop(record->event);
	if (record->recorder) {
		recorder_stop(record->recorder, &result);
	}
	want_finish(&record->want);
	capture_stop(record->capture);
	sd_event_unref(record->event);
	close(record->fd);
	return code < 0 ? report_errno(record->host, code) : code;
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

/* What the options say together. */
static int check(struct record *record) {
	if (!record->path) {
		return report_usage(record->host, "Name a file by -o, or - for stdout.");
	}
	if (!record->options.format) {
		record->options.format = output_guess_format(record->path);
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
	int code = options_finish(record->host, argc, argv, 1);
	return code == HOST_OK ? check(record) : code;
}

int run_record(struct host *host, int argc, char *argv[]) {
	struct record record = {.host = host, .options.fps = DEFAULT_FPS};
	const struct vm *vm = NULL;
	const char *scanout = NULL;
	int code = parse(&record, argc, argv);
	if (code == HOST_OK && !host->finished) {
		code = options_split(host, argv[optind], &vm, &scanout);
	}
	return code != HOST_OK || host->finished ? code : run(&record, vm, scanout);
}
