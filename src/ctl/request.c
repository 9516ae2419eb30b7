/* scanoutctl request: gets a lease and becomes the command that uses it. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "client.h"
#include "duration.h"
#include "names.h"
#include "options.h"
#include "report.h"

/* How much longer than scanoutd's own deadline to wait for its answer. */
#define ANSWER_MARGIN_USEC (UINT64_C(25) * 1000 * 1000)

struct wish {
	const char *scanout; // may be NULL
	const char *label;   // may be NULL
	uint64_t timeout_usec, linger_usec;
	uint32_t width, height, refresh; // 0 if not asked for; refresh in mHz
	bool spare, takeover;
};

/* What came back; all of it is borrowed from the reply. */
struct grant {
	int lease_fd;
	int spare_fd;
	const char *id;
	const char *device;
	uint32_t index;
	bool has_index;
};

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
static bool parse_size(const char *text, struct wish *wish) {
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
	wish->width = width;
	wish->height = height;
	wish->refresh = refresh;
	return true;
}

static int parse_options(struct ctl *ctl, int argc, char *argv[], struct wish *wish) {
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
			wish->scanout = optarg;
			break;
		case LABEL:
			wish->label = optarg;
			break;
		case SPARE:
			wish->spare = true;
			break;
		case TAKEOVER:
			wish->takeover = true;
			break;
		case TIMEOUT:
			if (duration_parse(optarg, &wish->timeout_usec) < 0) {
				code = report_usage(ctl,
					"'%s' is no timeout. Write 10 (seconds), 500ms, 2min, 1h or "
					"infinity.",
					optarg);
			}
			break;
		case LINGER:
			if (duration_parse(optarg, &wish->linger_usec) < 0) {
				code = report_usage(ctl,
					"'%s' is no time to linger. Write 10 (seconds), 500ms or "
					"1min.",
					optarg);
			}
			break;
		case SIZE:
			if (!parse_size(optarg, wish)) {
				code = report_usage(ctl,
					"'%s' is no size. Write 1920x1080 or 1920x1080@60.",
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
		return report_usage(ctl, "Say which command gets the scanout, after '--'.");
	}
	return CTL_OK;
}

static int append_string(sd_bus_message *m, const char *name, const char *value) {
	return value ? sd_bus_message_append(m, "{sv}", name, "s", value) : 0;
}

static int append_number(sd_bus_message *m, const char *name, uint32_t value) {
	return value ? sd_bus_message_append(m, "{sv}", name, "u", value) : 0;
}

static int build_request(struct ctl *ctl, const struct wish *wish, sd_bus_message **ret) {
	AUTO_MESSAGE sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(ctl->bus, &m, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
		SCANOUT_MANAGER_INTERFACE, "RequestScanout");
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_open_container(m, 'a', "{sv}");
	r = r < 0 ? r : append_string(m, "scanout", wish->scanout);
	r = r < 0 ? r : append_string(m, "label", wish->label);
	r = r < 0 ? r : append_number(m, "width", wish->width);
	r = r < 0 ? r : append_number(m, "height", wish->height);
	r = r < 0 ? r : append_number(m, "refresh", wish->refresh);
	if (r >= 0 && wish->timeout_usec) {
		r = sd_bus_message_append(m, "{sv}", "timeout", "t", wish->timeout_usec);
	}
	if (r >= 0 && wish->takeover) {
		r = sd_bus_message_append(m, "{sv}", "takeover", "b", 1);
	}
	if (r >= 0 && wish->linger_usec) {
		r = sd_bus_message_append(m, "{sv}", "linger", "t", wish->linger_usec);
	}
	if (r >= 0 && wish->spare) {
		r = sd_bus_message_append(m, "{sv}", "spare", "b", 1);
	}
	r = r < 0 ? r : sd_bus_message_close_container(m);
	if (r < 0) {
		return r;
	}
	*ret = TAKE_PTR(m);
	return 0;
}

static int read_info(sd_bus_message *m, struct grant *grant) {
	const char *key;
	const char *contents;
	int r = sd_bus_message_read_basic(m, 's', &key);
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_peek_type(m, NULL, &contents);
	if (r < 0) {
		return r;
	}
	if (strcmp(key, "id") == 0 && strcmp(contents, "s") == 0) {
		return sd_bus_message_read(m, "v", "s", &grant->id);
	}
	if (strcmp(key, "device") == 0 && strcmp(contents, "s") == 0) {
		return sd_bus_message_read(m, "v", "s", &grant->device);
	}
	if (strcmp(key, "index") == 0 && strcmp(contents, "u") == 0) {
		grant->has_index = true;
		return sd_bus_message_read(m, "v", "u", &grant->index);
	}
	if (strcmp(key, "spare_fd") == 0 && strcmp(contents, "h") == 0) {
		return sd_bus_message_read(m, "v", "h", &grant->spare_fd);
	}
	return sd_bus_message_skip(m, "v");
}

static int read_grant(sd_bus_message *m, struct grant *ret) {
	struct grant grant = {.lease_fd = -1, .spare_fd = -1};
	int r = sd_bus_message_read(m, "ho", &grant.lease_fd, NULL);
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_enter_container(m, 'a', "{sv}");
	if (r < 0) {
		return r;
	}
	while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = read_info(m, &grant);
		if (r < 0) {
			return r;
		}
		r = sd_bus_message_exit_container(m);
		if (r < 0) {
			return r;
		}
	}
	if (r < 0) {
		return r;
	}
	if (!grant.id || !grant.device || !grant.has_index) {
		return -EBADMSG;
	}
	*ret = grant;
	return 0;
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

static int export_grant(const struct grant *grant) {
	char index[16];
	snprintf(index, sizeof(index), "%u", grant->index);
	int r = export_fd("SCANOUT_LEASE_FD", grant->lease_fd);
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

static int get_lease(struct ctl *ctl, const struct wish *wish) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE sd_bus_message *request = NULL;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	struct grant grant;
	int r = build_request(ctl, wish, &request);
	if (r < 0) {
		return report_call(ctl, &error, r);
	}
	uint64_t patience = ANSWER_MARGIN_USEC + wish->timeout_usec;
	r = sd_bus_call(ctl->bus, request, patience, &error, &reply);
	if (r < 0) {
		return report_call(ctl, &error, r);
	}
	r = read_grant(reply, &grant);
	if (r < 0) {
		return report_bad_reply(ctl, "RequestScanout", r);
	}
	if (wish->spare && grant.spare_fd < 0) {
		return report_bad_reply(ctl, "RequestScanout with spare", -EBADMSG);
	}
	r = export_grant(&grant);
	if (r < 0) {
		return report(ctl, CTL_REFUSED, "NoDescriptor",
			"The lease cannot be handed to the command (%s). Try: ulimit -n 1024",
			strerror(-r));
	}
	return CTL_OK;
}

int run_request(struct ctl *ctl, int argc, char *argv[]) {
	struct wish wish = {0};
	int code = parse_options(ctl, argc, argv, &wish);
	if (code != CTL_OK || ctl->finished) {
		return code;
	}
	char **command = argv + optind;
	code = client_connect(ctl);
	if (code != CTL_OK) {
		return code;
	}
	code = get_lease(ctl, &wish);
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
