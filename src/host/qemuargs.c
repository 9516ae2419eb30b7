/* scanout-host qemu-args: what QEMU has to be started with. */
#include <errno.h>
#include <stdio.h>

#include "common/number.h"
#include "host/commands.h"
#include "host/frame.h"
#include "host/options.h"
#include "host/report.h"

#define MAX_HEADS 16 // VIRTIO_GPU_MAX_SCANOUTS in QEMU
#define DEFAULT_WIDTH 1920
#define DEFAULT_HEIGHT 1080
/* Compositors draw into three at most; with one more, there is room while a size changes. */
#define BUFFERS 4
#define MIB (UINT64_C(1024) * 1024)
#define MIN_MIB 256 // QEMU's own default

struct arguments {
	unsigned heads, width, height;
};

enum {
	OPTION_SIZE = OPTION_OWN,
};

static int parse_size(struct host *host, struct arguments *arguments, const char *text) {
	if (!number_take(&text, FRAME_MAX_SIDE, &arguments->width) || *text++ != 'x' ||
		!number_take(&text, FRAME_MAX_SIDE, &arguments->height) || *text != '\0' ||
		arguments->width == 0 || arguments->height == 0) {
		return report_usage(
			host, "--size is WIDTHxHEIGHT, each from 1 to %d.", FRAME_MAX_SIDE);
	}
	return HOST_OK;
}

static int parse_heads(struct host *host, struct arguments *arguments, const char *text) {
	if (!number_take(&text, MAX_HEADS, &arguments->heads) || *text != '\0' ||
		arguments->heads == 0) {
		return report_usage(
			host, "-n is a number from 1 to %d: QEMU has no more heads.", MAX_HEADS);
	}
	return HOST_OK;
}

static int parse(struct host *host, struct arguments *arguments, int argc, char *argv[]) {
	static const struct option options[] = {{"heads", required_argument, NULL, 'n'},
		{"size", required_argument, NULL, OPTION_SIZE}, OPTIONS_COMMON, {0}};
	int option;
	optind = 0; // glibc: start again with this argv
	while ((option = getopt_long(argc, argv, ":n:jh", options, NULL)) != -1) {
		int code = option == 'n'           ? parse_heads(host, arguments, optarg)
			   : option == OPTION_SIZE ? parse_size(host, arguments, optarg)
						   : options_common(host, option, argv);
		if (code != HOST_OK || host->finished) {
			return code;
		}
	}
	if (host->n_vms > 1) {
		return report_usage(host, "A QEMU has one VM: name no more than that.");
	}
	return options_finish(host, argc, argv, 0);
}

/* A power of two, as people write it. */
static uint64_t memory_mib(const struct arguments *arguments) {
	uint64_t bytes = (uint64_t)arguments->width * arguments->height * FRAME_PIXEL *
			 arguments->heads * BUFFERS;
	uint64_t mib = MIN_MIB;
	while (mib * MIB < bytes) {
		mib *= 2;
	}
	return mib;
}

/* A comma ends an option of QEMU's, unless there are two. */
static void print_escaped(const char *text) {
	for (; *text; text++) {
		fputs(*text == ',' ? "," : "", stdout);
		putchar(*text);
	}
}

int run_qemu_args(struct host *host, int argc, char *argv[]) {
	struct arguments arguments = {MAX_HEADS, DEFAULT_WIDTH, DEFAULT_HEIGHT};
	int code = parse(host, &arguments, argc, argv);
	if (code != HOST_OK || host->finished) {
		return code;
	}
	printf("-vga none -device virtio-gpu-pci,id=gpu0,max_outputs=%u,max_hostmem=%lluM "
	       "-display dbus,addr=",
		arguments.heads, (unsigned long long)memory_mib(&arguments));
	print_escaped(host->vms[0].address);
	if (host->vms[0].link) {
		printf(" -device virtio-serial-pci -chardev socket,id=link,path=");
		print_escaped(host->vms[0].link);
		printf(",server=on,wait=off -device "
		       "virtserialport,chardev=link,name=org.scanoutd.host.0");
	}
	printf("\n");
	return HOST_OK;
}
