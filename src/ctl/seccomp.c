/* scanoutctl seccomp: a container engine's profile that lets nobody read framebuffers of others. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "ctl/commands.h"
#include "ctl/options.h"
#include "ctl/report.h"
#include "ctl/seccomp_profile.h"
#include "ctl/textfile.h"

/* containers-common's: podman's default, and in docker's form. docker's own is in no file. */
#define DEFAULT_FROM "/usr/share/containers/seccomp.json"
#define MAX_SIZE (1024 * 1024)

struct seccomp {
	const char *from;
	const char *output; // NULL: standard output
};

static int parse(struct ctl *ctl, int argc, char *argv[], struct seccomp *seccomp) {
	enum {
		FROM = OPTION_OWN,
		OUTPUT
	};
	static const struct option options[] = {{"from", required_argument, NULL, FROM},
		{"output", required_argument, NULL, OUTPUT}, OPTIONS_COMMON, {0}};
	int option;
	optind = 0; // glibc: start again with this argv
	while ((option = getopt_long(argc, argv, ":jh", options, NULL)) != -1) {
		int code = CTL_OK;
		if (option == FROM) {
			seccomp->from = optarg;
		} else if (option == OUTPUT) {
			seccomp->output = optarg;
		} else {
			code = options_common(ctl, option, argv);
		}
		if (code != CTL_OK || ctl->finished) {
			return code;
		}
	}
	return argc > optind ? report_usage(ctl, "'%s' is one argument too many.", argv[optind])
			     : CTL_OK;
}

static int read_profile(const char *path, cJSON **ret) {
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	if (!file) {
		return -errno;
	}
	AUTO_FREE char *text = malloc(MAX_SIZE);
	if (!text) {
		return -ENOMEM;
	}
	size_t n = fread(text, 1, MAX_SIZE, file);
	if (ferror(file)) {
		return -EIO;
	}
	*ret = n < MAX_SIZE ? cJSON_ParseWithLength(text, n) : NULL;
	return *ret ? 0 : -EBADMSG;
}

static int report_profile(struct ctl *ctl, const char *path, int r) {
	switch (r) {
	case -ENOMEM:
		return report_no_memory(ctl);
	case -EBADMSG:
		return report(ctl, CTL_REFUSED, "BadProfile",
			"'%s' is no profile of a container engine that names what it allows. Name "
			"another by --from.",
			path);
	default:
		return report(ctl, CTL_REFUSED, "BadProfile",
			"'%s' cannot be read: %s. Install the package of podman's default profile, "
			"golang-github-containers-common in Debian, or name one by --from.",
			path, strerror(-r));
	}
}

static int print(struct ctl *ctl, const struct seccomp *seccomp, const char *text) {
	if (!seccomp->output || strcmp(seccomp->output, "-") == 0) {
		puts(text);
		return CTL_OK;
	}
	int r = textfile_write(seccomp->output, text);
	if (r < 0) {
		return report(ctl, CTL_REFUSED, "OutputFailed", "'%s' cannot be written: %s.",
			seccomp->output, strerror(-r));
	}
	if (!ctl->json) {
		printf("Wrote %s. Then: podman run --security-opt seccomp=%s …\n", seccomp->output,
			seccomp->output);
		return CTL_OK;
	}
	AUTO_JSON cJSON *object = cJSON_CreateObject();
	return cJSON_AddStringToObject(object, "written", seccomp->output) &&
			       json_print(object) == 0
		       ? CTL_OK
		       : report_no_memory(ctl);
}

int run_seccomp(struct ctl *ctl, int argc, char *argv[]) {
	struct seccomp seccomp = {.from = DEFAULT_FROM};
	int code = parse(ctl, argc, argv, &seccomp);
	if (code != CTL_OK || ctl->finished) {
		return code;
	}
	AUTO_JSON cJSON *profile = NULL;
	int r = read_profile(seccomp.from, &profile);
	if (r >= 0) {
		r = seccomp_profile_close(profile);
	}
	if (r == -ENOENT && profile) {
		return report(ctl, CTL_REFUSED, "BadProfile",
			"'%s' has no rule that allows every ioctl: it is closed already, or of an "
			"unknown form.",
			seccomp.from);
	}
	if (r < 0) {
		return report_profile(ctl, seccomp.from, r);
	}
	AUTO_JSON_TEXT char *text = cJSON_Print(profile);
	return text ? print(ctl, &seccomp, text) : report_no_memory(ctl);
}
