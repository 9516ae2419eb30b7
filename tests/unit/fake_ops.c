/* What the daemon calls. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_kernel.h"

static int fake_enumerate(char (*ret)[64], size_t max) {
	size_t n = 0;
	struct fake_card *card;
	int r = fake_enter(FAKE_ENUMERATE);
	TAILQ_FOREACH (card, &fake_kernel.cards, link) {
		if (card->present && n < max) {
			memcpy(ret[n++], card->device, sizeof(*ret));
		}
	}
	return fake_leave(r < 0 ? r : (int)n);
}

/* The card whose master it is; else it is another process's, and of the first that none here has
 * opened. */
static int fake_find_node(int fd, char (*ret)[64]) {
	struct stat st;
	struct fake_card *card, *unopened = NULL;
	int r = fstat(fd, &st);
	assert(r == 0);
	r = fake_enter(FAKE_FIND_NODE);
	TAILQ_FOREACH (card, &fake_kernel.cards, link) {
		if (card->present && card->master_peer >= 0 && card->master == st.st_ino) {
			break;
		}
		unopened = !unopened && card->present && card->master_peer < 0 ? card : unopened;
	}
	card = card ? card : unopened;
	if (r == 0 && card) {
		memcpy(ret, card->device, sizeof(*ret));
	}
	return fake_leave(r < 0 ? r : card ? 0 : -ENODEV);
}

static int fake_resolve(const char *path, char (*ret)[64]) {
	struct fake_card *card;
	int r = -ENOENT;
	if (strncmp(path, "/dev/dri/card", 13) == 0) {
		snprintf(*ret, sizeof(*ret), "%s", path);
		return 0;
	}
	fake_lock();
	TAILQ_FOREACH (card, &fake_kernel.cards, link) {
		if (card->present && strcmp(card->path, path) == 0) {
			memcpy(ret, card->device, sizeof(*ret));
			r = 0;
		}
	}
	return fake_leave(r);
}

static int fake_driver(const char *device, char *ret, size_t size) {
	fake_lock();
	struct fake_card *card = fake_find_device(device);
	if (card) {
		snprintf(ret, size, "%s", card->driver);
	}
	return fake_leave(card ? 0 : -ENOENT);
}

static int use_opened(struct fake_card *card, int fd) {
	struct stat st;
	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	if (card->master_peer >= 0) {
		return card->master == st.st_ino ? fd : -EBUSY;
	}
	card->master = st.st_ino;
	card->master_peer = fcntl(fd, F_DUPFD_CLOEXEC, 3); // the other end is elsewhere
	return card->master_peer < 0 ? -errno : fd;
}

static int fake_open(const char *device, int opened) {
	int ends[2];
	struct stat st;
	int r = fake_enter(FAKE_OPEN);
	struct fake_card *card = fake_find_device(device);
	if (r < 0 || !card) {
		return fake_leave(r < 0 ? r : -ENOENT);
	}
	if (card->topology.n_connectors == 0) {
		return fake_leave(-ENXIO);
	}
	if (opened >= 0) {
		return fake_leave(use_opened(card, opened));
	}
	if (card->master_peer >= 0 && !fake_has_hung_up(card->master_peer)) {
		return fake_leave(-EBUSY);
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0 ||
		fstat(ends[0], &st) < 0) {
		return fake_leave(-errno);
	}
	if (card->master_peer >= 0) {
		close(card->master_peer);
		fake_end_lessees(card); // they ended with the last master
	}
	card->master_peer = ends[1];
	card->master = st.st_ino;
	return fake_leave(ends[0]);
}

static void fake_describe_master(const char *device, char *ret, size_t size) {
	snprintf(ret, size, "Xorg (pid 812)");
}

static int fake_snapshot(int fd, const struct card_mode *usual, struct card_snapshot *ret) {
	int r = fake_enter(FAKE_SNAPSHOT);
	struct fake_card *card = fake_find_master(fd);
	if (r == 0 && !card->present) {
		r = -ENODEV;
	}
	if (r == 0) {
		*ret = card->topology;
		for (unsigned i = 0; i < ret->n_connectors; i++) {
			ret->connectors[i].usual = *usual; // it has modes of all sizes
		}
	}
	return fake_leave(r);
}

static int fake_force_connect(const char *device, const char *connector) {
	int r = fake_enter(FAKE_FORCE_CONNECT);
	struct fake_card *card = fake_find_device(device);
	if (r < 0 || !card) {
		return fake_leave(r < 0 ? r : -ENOENT);
	}
	for (unsigned i = 0; i < card->topology.n_connectors; i++) {
		if (strcmp(card->topology.connectors[i].name, connector) == 0) {
			card->topology.connectors[i].connected = true;
			return fake_leave(0);
		}
	}
	return fake_leave(-ENOENT);
}

static int fake_blank(int fd, const struct card_objects *objects) {
	int r = fake_enter(FAKE_BLANK);
	struct fake_card *card = fake_find_master(fd);
	if (r == 0 && !card->present) {
		r = -ENODEV;
	}
	if (r == 0 && !fake_is_known(&card->topology, objects->crtc)) {
		r = -ENOENT;
	}
	if (r == 0) {
		fake_reap(card);
		fake_kernel.n_torn += fake_is_leased(card, objects->crtc);
		fake_show(card, objects, 0);
		card->adopted[fake_find_crtc(card, objects->crtc)] = false;
		card->lost[fake_find_crtc(card, objects->crtc)] = false;
	}
	return fake_leave(r);
}

/* The picture stays as it is. */
static int fake_adopt(int fd, const struct card_objects *objects, uint32_t *framebuffer) {
	int r = fake_enter(FAKE_ADOPT);
	struct fake_card *card = fake_find_master(fd);
	if (r == 0 && !card->present) {
		r = -ENODEV;
	}
	if (r == 0) {
		fake_reap(card);
		r = card->lost[fake_find_crtc(card, objects->crtc)] ? -ENOENT : 0;
	}
	if (r == 0) {
		fake_kernel.n_adopted += *framebuffer == 0;
		*framebuffer = objects->crtc + 1000;
		card->adopted[fake_find_crtc(card, objects->crtc)] = true;
	}
	return fake_leave(r);
}

static int fake_drop(int fd, uint32_t framebuffer) {
	fake_lock();
	fake_kernel.n_adopted--;
	return fake_leave(0);
}

static int fake_read_mode(int fd, uint32_t crtc, struct card_mode *ret) {
	int r = fake_enter(FAKE_READ_MODE);
	struct fake_card *card = fake_find_master(fd);
	if (r == 0) {
		r = card->present ? -ENOENT : -ENODEV;
	}
	for (unsigned i = 0; r == -ENOENT && i < card->topology.n_crtcs; i++) {
		if (card->topology.crtcs[i] == crtc) {
			*ret = card->crtc_picture[i] ? (struct card_mode){1920, 1080, 60000}
						     : (struct card_mode){0};
			r = 0;
		}
	}
	return fake_leave(r);
}

static int fake_create_lease(int fd, const struct card_objects *objects, uint32_t *ret_lessee) {
	int r = fake_enter(FAKE_CREATE);
	struct fake_card *card = fake_find_master(fd);
	if (r == 0 && !card->present) {
		r = -ENODEV;
	}
	if (r == 0) {
		fake_reap(card);
		r = objects ? fake_check_objects(card, objects) : 0;
	}
	return fake_leave(r < 0 ? r : fake_add_lessee(card, objects, ret_lessee));
}

static int fake_revoke_lease(int fd, uint32_t id) {
	int r = fake_enter(FAKE_REVOKE);
	struct fake_card *card = fake_find_master(fd);
	fake_reap(card);
	struct fake_lessee *lessee = fake_find_lessee(card, id);
	if (r == 0 && !lessee) {
		r = card->present ? -ENOENT : -ENODEV;
	}
	if (r == 0) {
		lessee->objects = (struct card_objects){0}; // the id stays until it is closed
	}
	return fake_leave(r);
}

static int fake_list_lessees(int fd, uint32_t *ret, size_t max) {
	size_t n = 0;
	struct fake_lessee *lessee;
	int r = fake_enter(FAKE_LIST);
	struct fake_card *card = fake_find_master(fd);
	if (r == 0 && !card->present) {
		r = -ENODEV;
	}
	if (r < 0) {
		return fake_leave(r);
	}
	fake_reap(card);
	TAILQ_FOREACH (lessee, &card->lessees, link) {
		if (lessee->objects.crtc != 0) {
			if (n < max) {
				ret[n] = lessee->id;
			}
			n++;
		}
	}
	return fake_leave((int)n);
}

const struct card_ops fake_card_ops = {
	.monitor = fake_monitor,
	.read_event = fake_read_event,
	.enumerate = fake_enumerate,
	.find_node = fake_find_node,
	.resolve = fake_resolve,
	.driver = fake_driver,
	.open_log = fake_open_log,
	.open = fake_open,
	.describe_master = fake_describe_master,
	.snapshot = fake_snapshot,
	.force_connect = fake_force_connect,
	.blank = fake_blank,
	.adopt = fake_adopt,
	.drop = fake_drop,
	.read_mode = fake_read_mode,
	.create_lease = fake_create_lease,
	.revoke_lease = fake_revoke_lease,
	.list_lessees = fake_list_lessees,
};
