/* scanout-host shot: one picture, as PNG. */
#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "host/commands.h"
#include "host/file.h"
#include "host/options.h"
#include "host/png.h"
#include "host/report.h"
#include "host/want.h"

struct shot {
	struct host *host;
	const char *path;
	sd_event *event;
	struct capture *capture;
	struct want want;
	struct viewer viewer;
};

static int report_file(struct shot *shot, int r) {
	return report(shot->host, HOST_FAILED, "OutputFailed", "'%s' cannot be written: %s",
		shot->path, file_explain(r));
}

static int save(struct shot *shot, const struct frame *frame) {
	AUTO_FREE uint8_t *png = NULL;
	AUTO_CLOSE int fd = -1;
	size_t size;
	int r = png_encode(frame, &png, &size);
	if (r < 0) {
		return report(shot->host, HOST_FAILED, "NoPicture",
			"The picture cannot be read (%s). Try again.",
			r == -EIO ? "QEMU took its memory away" : strerror(-r));
	}
	fd = file_open(shot->path);
	if (fd < 0) {
		return report_file(shot, fd);
	}
	r = file_write(fd, png, size);
	return r < 0 ? report_file(shot, r) : HOST_OK;
}

static void finish(struct shot *shot, int code) {
	(void)sd_event_exit(shot->event, code);
}

static int handle_news(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct shot *shot = data;
	struct screen_news news;
	screen_take(&shot->want.screen, &shot->viewer, &news);
	if (news.frame.map && !rect_is_empty(&news.damage)) {
		finish(shot, save(shot, &news.frame));
	} else if (news.path == SCREEN_UNSUPPORTED) {
		finish(shot, report(shot->host, HOST_FAILED, "Unsupported",
				     "QEMU has its pictures in a GPU. Start it without gl=on, see "
				     "'scanout-host qemu-args'."));
	} else if (news.is_gone) {
		finish(shot, report(shot->host, HOST_UNREACHABLE, "QemuGone",
				     "QEMU closed the connection before it sent a picture."));
	}
	map_unref(news.frame.map);
	return 0;
}

static void handle_failed(void *data, int code, const char *name, const char *message) {
	struct shot *shot = data;
	finish(shot, report(shot->host, code, name, "%s.", message));
}

static int prepare(struct shot *shot, const struct vm *vm, const char *scanout) {
	int r = sd_event_new(&shot->event);
	if (r >= 0) {
		r = capture_start(&shot->capture);
	}
	if (r >= 0) {
		shot->want.failed = handle_failed;
		shot->want.data = shot;
		r = want_init(&shot->want, shot->event, shot->capture, vm, scanout);
	}
	if (r >= 0) {
		r = screen_add_viewer(&shot->want.screen, &shot->viewer);
	}
	return r < 0 ? r
		     : sd_event_add_io(
			       shot->event, NULL, shot->viewer.fd, EPOLLIN, handle_news, shot);
}

static int take(struct shot *shot, const struct vm *vm, const char *scanout) {
	int r = prepare(shot, vm, scanout);
	int code = r < 0 ? report_errno(shot->host, r) : sd_event_loop(shot->event);
	if (shot->viewer.fd >= 0) {
		screen_remove_viewer(&shot->want.screen, &shot->viewer);
	}
	want_finish(&shot->want);
	capture_stop(shot->capture);
	sd_event_unref(shot->event);
	return code < 0 ? report_errno(shot->host, code) : code;
}

static int parse(struct shot *shot, int argc, char *argv[]) {
	static const struct option options[] = {
		{"output", required_argument, NULL, 'o'}, OPTIONS_COMMON, {0}};
	int option;
	optind = 0; // glibc: start again with this argv
	while ((option = getopt_long(argc, argv, ":o:jh", options, NULL)) != -1) {
		int code = HOST_OK;
		if (option == 'o') {
			shot->path = optarg;
		} else {
			code = options_common(shot->host, option, argv);
		}
		if (code != HOST_OK || shot->host->finished) {
			return code;
		}
	}
	int code = options_finish(shot->host, argc, argv, 1);
	if (code == HOST_OK && !shot->path) {
		code = report_usage(shot->host, "Name a file by -o, or - for stdout.");
	}
	return code;
}

int run_shot(struct host *host, int argc, char *argv[]) {
	struct shot shot = {.host = host, .viewer.fd = -1};
	const struct vm *vm = NULL;
	const char *scanout = NULL;
	int code = parse(&shot, argc, argv);
	if (code == HOST_OK && !host->finished) {
		code = options_split(host, argv[optind], &vm, &scanout);
	}
	return code != HOST_OK || host->finished ? code : take(&shot, vm, scanout);
}
