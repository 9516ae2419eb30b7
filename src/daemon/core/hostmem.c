#include "daemon/core/hostmem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/kernellog.h"
#include "daemon/core/manager.h"
#include "daemon/util/log.h"

struct hostmem {
	struct manager *manager;
	sd_event_source *source;
	int fd;
};

static void stop(struct hostmem *hostmem) {
	hostmem->source = sd_event_source_disable_unref(hostmem->source);
	if (hostmem->fd >= 0) {
		close(hostmem->fd);
	}
	hostmem->fd = -1;
}

static int handle_record(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct hostmem *hostmem = data;
	struct kernellog_refusals refusals = {0};
	int r = kernellog_read(fd, &refusals);
	if (refusals.no_memory > 0 || refusals.no_resource > 0) {
		log_warning("%s", HOSTMEM_WARNING);
		hostmem->manager->host_is_full = true;
		stop(hostmem); // once is enough: it goes on until the host is told
	} else if (r < 0) {
		log_debug("Cannot read the kernel's log: %s", strerror(-r));
		stop(hostmem);
	}
	return 0;
}

struct hostmem *hostmem_watch(struct manager *manager) {
	struct hostmem *hostmem = calloc(1, sizeof(*hostmem));
	if (!hostmem) {
		return NULL;
	}
	hostmem->manager = manager;
	int r = hostmem->fd = manager->ops->open_log();
	if (r >= 0) {
		r = sd_event_add_io(manager->host.event, &hostmem->source, hostmem->fd, EPOLLIN,
			handle_record, hostmem);
	}
	if (r < 0) {
		log_debug("Cannot watch the kernel's log: %s", strerror(-r));
		hostmem_destroy(hostmem);
		return NULL;
	}
	return hostmem;
}

void hostmem_destroy(struct hostmem *hostmem) {
	if (!hostmem) {
		return;
	}
	stop(hostmem);
	free(hostmem);
}
