/*
 * Looks once at all VMs at the same time: which scanouts they have, how these are captured, and who
 * has them.
 */
#ifndef SCANOUT_HOST_INSPECTION_H
#define SCANOUT_HOST_INSPECTION_H

#include "host/host.h"
#include "host/link.h"
#include "host/qemu.h"

struct inspected {
	struct qemu qemu; // its consoles; none if there is an error
	char *error;      // NULL, or the name of one
	char *message;    // with it: what to do
	/* Of its first scanout, if it was probed: it is the same for all. */
	enum screen_path path;
	struct link link; // its tenants; none without a link, or if there is an error of that
	bool has_link;
	char *link_error, *link_message; // the same for the link
	/* While it is looked at: */
	struct inspection *inspection;
	bool is_done;   // it was
	bool is_linked; // its link was
	struct screen screen;
	struct listener *listener;
	struct viewer viewer;
	sd_event_source *news;
};

struct inspection {
	struct inspected *vms;
	size_t n_vms;
	bool probes;
	sd_event *event;
	struct capture *capture;
};

/*
 * Also on failure, inspection_finish() is called afterwards. `probes`: captures a picture of each
 * VM. QEMU 10.0 never forgets a listener, see docs/architecture.md, so not without need.
 */
int inspection_run(struct inspection *inspection, const struct host *host, bool probes);
void inspection_finish(struct inspection *inspection);

#endif
