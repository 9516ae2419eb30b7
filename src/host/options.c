#include "host/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "host/report.h"

#define MAX_NAME 64
#define NAME_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"

static void print_command_help(const struct command *command) {
	printf("Usage: scanout-host %s %s\n\n%s\n\nThe manual page scanout-host(1) explains each "
	       "option.\n",
		command->name, command->arguments, command->summary);
}

static int add_vm(struct host *host, const char *name, const char *address) {
	for (size_t i = 0; i < host->n_vms; i++) {
		if (strcmp(host->vms[i].name, name) == 0) {
			return report_usage(host,
				"There are two VMs '%s'. Name them by --vm NAME=ADDRESS.", name);
		}
	}
	if (host->n_vms == HOST_MAX_VMS) {
		return report_usage(
			host, "%d VMs are the most for one scanout-host.", HOST_MAX_VMS);
	}
	host->vms[host->n_vms++] = (struct vm){name, address, host->link};
	host->link = NULL;
	return HOST_OK;
}

/* Of the VM that was named last, or else of the first one. */
static int set_link(struct host *host, const char *path) {
	const char **link = host->n_vms > 0 ? &host->vms[host->n_vms - 1].link : &host->link;
	if (*link) {
		return report_usage(host,
			"There are two links of one VM, '%s' and '%s'. Name each --link after its "
			"--vm.",
			*link, path);
	}
	*link = path;
	return HOST_OK;
}

/* Splits NAME=ADDRESS in place. */
static int parse_vm(struct host *host, char *text) {
	char *equals = strchr(text, '=');
	size_t length = equals ? (size_t)(equals - text) : 0;
	if (length == 0 || length > MAX_NAME || strspn(text, NAME_LETTERS) != length ||
		equals[1] == '\0') {
		return report_usage(host,
			"'%s' is not NAME=ADDRESS with a name of 1 to %d of A-Z a-z 0-9 . _ : -",
			text, MAX_NAME);
	}
	*equals = '\0';
	return add_vm(host, text, equals + 1);
}

int options_common(struct host *host, int option, char *argv[]) {
	switch (option) {
	case 'j':
		host->json = true;
		return HOST_OK;
	case 'h':
		print_command_help(host->command);
		host->finished = true;
		return HOST_OK;
	case OPTION_ADDRESS:
		return add_vm(host, "vm", optarg);
	case OPTION_VM:
		return parse_vm(host, optarg);
	case OPTION_LINK:
		return set_link(host, optarg);
	case ':':
		return report_usage(host, "Option '%s' needs a value.", argv[optind - 1]);
	default:
		// A bundle such as -jx leaves optind on the bundle; then only the letter is known.
		if (optopt > 0 && optopt < OPTION_ADDRESS) {
			return report_usage(host, "'-%c' is not an option here.", optopt);
		}
		return report_usage(host, "'%s' is not an option here.", argv[optind - 1]);
	}
}

/* QEMU's -display dbus without an address is on the user's bus. */
static int add_default(struct host *host) {
	const char *address = secure_getenv("DBUS_SESSION_BUS_ADDRESS");
	const char *folder = secure_getenv("XDG_RUNTIME_DIR");
	if (!address && folder) {
		if (asprintf(&host->text, "unix:path=%s/bus", folder) < 0) {
			host->text = NULL;
		}
		address = host->text;
	}
	if (!address) {
		return report(host, HOST_UNREACHABLE, "BusUnreachable",
			"There is no user's bus here. Name QEMU's by --address or --vm.");
	}
	return add_vm(host, "vm", address);
}

int options_finish(struct host *host, int argc, char *argv[], int count) {
	if (argc - optind > count) {
		return report_usage(host, "'%s' is one argument too many.", argv[optind + count]);
	}
	if (argc - optind < count) {
		return report_usage(host, "Name a scanout by its head, see 'scanout-host list'.");
	}
	return host->n_vms == 0 ? add_default(host) : HOST_OK;
}

int options_parse(struct host *host, int argc, char *argv[], int count) {
	static const struct option options[] = {OPTIONS_COMMON, {0}};
	int option;
	optind = 0; // glibc: start again with this argv
	while ((option = getopt_long(argc, argv, ":jh", options, NULL)) != -1) {
		int code = options_common(host, option, argv);
		if (code != HOST_OK || host->finished) {
			return code;
		}
	}
	return options_finish(host, argc, argv, count);
}

int options_split(
	struct host *host, const char *scanout, const struct vm **ret, const char **ret_rest) {
	for (size_t i = 0; i < host->n_vms; i++) {
		size_t length = strlen(host->vms[i].name);
		if (strncmp(scanout, host->vms[i].name, length) == 0 && scanout[length] == '/') {
			*ret = &host->vms[i];
			*ret_rest = scanout + length + 1;
			return HOST_OK;
		}
	}
	if (host->n_vms > 1) {
		return report_usage(host, "'%s' does not say of which VM: %s/%s?", scanout,
			host->vms[0].name, scanout);
	}
	*ret = &host->vms[0];
	*ret_rest = scanout;
	return HOST_OK;
}
