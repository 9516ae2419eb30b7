/* scanoutctl request: gets a lease and becomes the command that uses it. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/duration.h"
#include "ctl/options.h"
#include "ctl/report.h"
#include "lib/request_call.h"
#include "scanout/dbus_names.h"

/* How much longer than scanoutd's own deadline to wait for its answer. */
#define ANSWER_MARGIN_USEC (UINT64_C(25) * 1000 * 1000)

static bool parse_pixels(const char **text, uint32_t *ret) {
	char *end;
	if (!isdigit((unsigned char)**text)) {
		return false;
	}
	unsigned long value = strtoul(*text, &end, 10);
	if (value == 0 || value > UINT16_MAX) {
		return false;
	}
	*text = end;
	*ret = (uint32_t)value;
	return true;
}

/* 1920x1080, 1920x1080@60, 1920x1080@59.94 */
static bool parse_size(const char *text, struct scanout_request *request) {
	uint32_t width, height, refresh = 0;
	if (!parse_pixels(&text, &width) || *text++ != 'x' || !parse_pixels(&text, &height)) {
		return false;
	}
	if (*text == '@') {
		char *end;
		double hertz = isdigit((unsigned char)*++text) ? strtod(text, &end) : 0;
		if (hertz <= 0 || hertz > 1000 || *end) {
			return false;
		}
		refresh = (uint32_t)(hertz * 1000 + 0.5);
	} else if (*text) {
		return false;
	}
	request->width = width;
	request->height = height;
	request->refresh = refresh;
	return true;
}

static int parse_options(struct ctl *ctl, int argc, char *argv[], struct scanout_request *request) {
	enum {
		SCANOUT = OPTION_OWN,
		LABEL,
		TIMEOUT,
		SPARE,
		TAKEOVER,
		LINGER,
		SIZE
	};
	static const struct option options[] = {{"scanout", required_argument, NULL, SCANOUT},
		{"label", required_argument, NULL, LABEL},
		{"timeout", required_argument, NULL, TIMEOUT}, {"spare", no_argument, NULL, SPARE},
		{"takeover", no_argument, NULL, TAKEOVER},
		{"linger", required_argument, NULL, LINGER},
		{"size", required_argument, NULL, SIZE}, OPTIONS_COMMON, {0}};
	int option;
	optind = 0; // glibc: start again with this argv
	while ((option = getopt_long(argc, argv, "+:jh", options, NULL)) != -1) {
		int code = CTL_OK;
		switch (option) {
		case SCANOUT:
			request->scanout = optarg;
			break;
		case LABEL:
			request->label = optarg;
			break;
		case SPARE:
			request->spare = true;
			break;
		case TAKEOVER:
			request->takeover = true;
			break;
		case TIMEOUT:
			if (duration_parse(optarg, &request->timeout_usec) < 0) {
				code = report_usage(ctl,
					"'%s' is not a timeout. Write 10 (seconds), 500ms, 2min, 1h or "
					"infinity.",
					optarg);
			}
			break;
		case LINGER:
			if (duration_parse(optarg, &request->linger_usec) < 0) {
				code = report_usage(ctl,
					"'%s' is not a time to linger. Write 10 (seconds), 500ms or "
					"1min.",
					optarg);
			}
			break;
		case SIZE:
			if (!parse_size(optarg, request)) {
				code = report_usage(ctl,
					"'%s' is not a size. Write 1920x1080 or 1920x1080@60.",
					optarg);
			}
			break;
		default:
			code = options_common(ctl, option, argv);
			break;
		}
		if (code != CTL_OK || ctl->finished) {
			return code;
		}
	}
	if (optind == argc) {
		return report_usage(ctl, "Name the command that gets the scanout, after '--'.");
	}
	return CTL_OK;
}

/* Gives the command a copy without CLOEXEC and its number in the environment. */
static int export_fd(const char *name, int fd) {
	char number[16];
	int copy = fcntl(fd, F_DUPFD, 3);
	if (copy < 0) {
		return -errno;
	}
	snprintf(number, sizeof(number), "%d", copy);
	return setenv(name, number, 1) < 0 ? -errno : 0;
}

static int export_grant(const struct scanout_grant *grant) {
	char index[16];
	snprintf(index, sizeof(index), "%u", grant->index);
	int r = export_fd("SCANOUT_LEASE_FD", grant->fd);
	if (r < 0) {
		return r;
	}
	// An older lease of the caller must not be taken for this one's spare.
	r = grant->spare_fd >= 0 ? export_fd("SCANOUT_SPARE_FD", grant->spare_fd)
				 : unsetenv("SCANOUT_SPARE_FD");
	if (r < 0) {
		return r;
	}
	if (setenv("SCANOUT_ID", grant->id, 1) < 0 || setenv("SCANOUT_INDEX", index, 1) < 0 ||
		setenv("SCANOUT_DEVICE", grant->device, 1) < 0) {
		return -errno;
	}
	return 0;
}

static int call(struct ctl *ctl, const struct scanout_request *request, struct scanout_grant *ret) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE sd_bus_message *message = NULL;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	int r = sd_bus_message_new_method_call(ctl->bus, &message, SCANOUT_BUS_NAME,
		SCANOUT_BUS_PATH, SCANOUT_MANAGER_INTERFACE, "RequestScanout");
	r = r < 0 ? r : scanout_request_append(request, message);
	if (r < 0) {
		return report_call(ctl, &error, r);
	}
	uint64_t patience = ANSWER_MARGIN_USEC + request->timeout_usec;
	r = sd_bus_call(ctl->bus, message, patience, &error, &reply);
	if (r < 0) {
		return report_call(ctl, &error, r);
	}
	r = scanout_grant_read(ret, reply);
	return r < 0 ? report_bad_reply(ctl, "RequestScanout", r) : CTL_OK;
}

static int get_lease(struct ctl *ctl, const struct scanout_request *request) {
	struct scanout_grant grant;
	int code = call(ctl, request, &grant);
	if (code != CTL_OK) {
		return code;
	}
	bool has_spare = grant.spare_fd >= 0;
	int r = export_grant(&grant);
	scanout_grant_finish(&grant);
	if (request->spare && !has_spare) {
		return report_bad_reply(ctl, "RequestScanout with spare", -EBADMSG);
	}
	if (r < 0) {
		return report(ctl, CTL_REFUSED, "NoDescriptor",
			"The lease cannot be handed to the command (%s). Try: ulimit -n 1024",
			strerror(-r));
	}
	return CTL_OK;
}

int run_request(struct ctl *ctl, int argc, char *argv[]) {
	struct scanout_request request = {.for_fd = -1};
	int code = parse_options(ctl, argc, argv, &request);
	if (code != CTL_OK || ctl->finished) {
		return code;
	}
	char **command = argv + optind;
	code = client_connect(ctl);
	if (code != CTL_OK) {
		return code;
	}
	code = get_lease(ctl, &request);
	if (code != CTL_OK) {
		return code;
	}
	// From here on the lease lives in the copies alone: with the command and its heirs.
	ctl->bus = sd_bus_flush_close_unref(ctl->bus);
	execvp(command[0], command);
	if (errno == ENOENT) {
		return report(ctl, CTL_NOT_FOUND, "CommandNotFound",
			"There is no command '%s'. Check its spelling and PATH.", command[0]);
	}
	return report(ctl, CTL_NOT_EXECUTABLE, "NotExecutable", "'%s' cannot be run: %s.",
		command[0], strerror(errno));
}
