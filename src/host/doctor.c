/* scanout-host doctor: follows the chain from QEMU to a video, and says at each link what is wrong.
 */
#include <libavcodec/avcodec.h>

#include "common/cleanup.h"
#include "common/diagnosis.h"
#include "host/commands.h"
#include "host/encoder.h"
#include "host/inspection.h"
#include "host/options.h"
#include "host/report.h"

#define AUTO_DIAGNOSIS CLEANUP(diagnosis_finish)
#define ARGUMENTS "scanout-host qemu-args"

static void check_capture(
	struct diagnosis *diagnosis, const char *name, const struct inspected *vm) {
	switch (vm->path) {
	case SCREEN_MAP:
		diagnosis_add(diagnosis, VERDICT_OK, name, NULL, "QEMU shares its pictures");
		break;
	case SCREEN_MESSAGES:
		diagnosis_add(diagnosis, VERDICT_WARN, name, ARGUMENTS,
			"QEMU sends copies of its pictures, which makes the VM slow. Use QEMU 9.2 or "
			"later, without blob=on.");
		break;
	case SCREEN_UNSUPPORTED:
		diagnosis_add(diagnosis, VERDICT_FAIL, name, ARGUMENTS,
			"QEMU has its pictures in a GPU. Start it without gl=on.");
		break;
	case SCREEN_UNKNOWN:
		diagnosis_add(diagnosis, VERDICT_FAIL, name, ARGUMENTS,
			"The VM has no virtio-gpu, so there is nothing to capture.");
		break;
	}
}

static void check_link(struct diagnosis *diagnosis, const struct inspected *vm) {
	AUTO_FREE char *name = NULL;
	if (asprintf(&name, "%s link", vm->qemu.name) < 0) {
		name = NULL;
	}
	const char *check = name ? name : vm->qemu.name;
	if (vm->link_error) {
		diagnosis_add(diagnosis, VERDICT_FAIL, check, NULL, "%s.", vm->link_message);
	} else if (!vm->link.has_daemon) {
		diagnosis_add(diagnosis, VERDICT_WARN, check, NULL,
			"scanout-link answers, but scanoutd does not run in the VM. Type there: "
			"systemctl start scanoutd");
	} else {
		diagnosis_add(diagnosis, VERDICT_OK, check, NULL,
			"scanout-link answers, with %u leases", vm->link.tenants.n);
	}
}

static void check_vm(struct diagnosis *diagnosis, const struct inspected *vm) {
	AUTO_FREE char *capture = NULL;
	const struct console *console;
	unsigned n = 0;
	if (vm->error) {
		diagnosis_add(
			diagnosis, VERDICT_FAIL, vm->qemu.name, ARGUMENTS, "%s.", vm->message);
		return;
	}
	TAILQ_FOREACH (console, &vm->qemu.consoles, link) {
		n++;
	}
	diagnosis_add(
		diagnosis, VERDICT_OK, vm->qemu.name, NULL, "QEMU answers, with %u scanouts", n);
	if (asprintf(&capture, "%s capture", vm->qemu.name) < 0) {
		capture = NULL;
	}
	check_capture(diagnosis, capture ? capture : vm->qemu.name, vm);
}

static void check_encoder(struct diagnosis *diagnosis) {
	if (avcodec_find_encoder_by_name(ENCODER_NAME)) {
		diagnosis_add(
			diagnosis, VERDICT_OK, "encoder", NULL, "libavcodec has " ENCODER_NAME);
	} else {
		diagnosis_add(diagnosis, VERDICT_FAIL, "encoder", "apt install libavcodec-extra",
			"This libavcodec was built without " ENCODER_NAME
			", so 'record' cannot work. Install another.");
	}
}

int run_doctor(struct host *host, int argc, char *argv[]) {
	AUTO_DIAGNOSIS struct diagnosis diagnosis = {0};
	struct inspection found;
	int code = options_parse(host, argc, argv, 0);
	if (code != HOST_OK || host->finished) {
		return code;
	}
	int r = diagnosis_init(&diagnosis);
	if (r < 0) {
		return report_errno(host, r);
	}
	r = inspection_run(&found, host, true);
	for (size_t i = 0; i < found.n_vms && r >= 0; i++) {
		check_vm(&diagnosis, &found.vms[i]);
		if (found.vms[i].has_link) {
			check_link(&diagnosis, &found.vms[i]);
		}
	}
	inspection_finish(&found);
	check_encoder(&diagnosis);
	if (r >= 0) {
		r = diagnosis_print(&diagnosis, host->json, host->color);
	}
	return r < 0 ? report_errno(host, r) : diagnosis.failed ? HOST_FAILED : HOST_OK;
}
