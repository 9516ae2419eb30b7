#include "fake_card.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_EVENTS 64

struct fake_lessee {
	struct fake_card *card;
	uint32_t id;
	int peer;                      // our end; hangs up with the last copy of the other one
	struct card_objects objects;   // zeros: an empty or a revoked lease
	uint32_t shown;                // its CRTC, also when it is revoked
	uint64_t picture;              // what it drew there
	TAILQ_ENTRY(fake_lessee) link; // fake_card::lessees
};

struct fake_card {
	char device[64];
	struct card_snapshot topology;
	uint64_t crtc_picture[CARD_MAX_OBJECTS], plane_picture[CARD_MAX_OBJECTS]; // 0 = blank
	bool adopted[CARD_MAX_OBJECTS];
	bool lost[CARD_MAX_OBJECTS]; // with the file of its owner
	bool present;
	int master_peer;                                   // -1: not open
	ino_t master;                                      // the inode of the other end
	TAILQ_HEAD(fake_lessee_list, fake_lessee) lessees; // fake_lessee.link
	TAILQ_ENTRY(fake_card) link;                       // fake.cards
};

struct fake_gate {
	bool held;
	unsigned waiting, count;
	unsigned skip, failures;
	int error;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	TAILQ_HEAD(fake_card_list, fake_card) cards; // fake_card.link
	struct fake_gate gates[FAKE_N_OPS];
	int epoll_fd, wake_fd;
	struct card_event events[MAX_EVENTS];
	unsigned n_events;
	bool lost, quiet, no_master;
	uint64_t last_picture;
	unsigned n_seen, n_torn, n_adopted;
	enum fake_op before_op;
	void (*before)(void *data);
	void *before_data;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void lock(void) {
	pthread_mutex_lock(&fake.lock);
}

static void unlock(void) {
	pthread_mutex_unlock(&fake.lock);
}

/* Begins a call, with the lock on success and failure: 0 or the error it was told to have. */
static int enter(enum fake_op op) {
	struct fake_gate *gate = &fake.gates[op];
	if (fake.before && fake.before_op == op) {
		fake.before(fake.before_data);
	}
	lock();
	gate->count++;
	gate->waiting++;
	while (gate->held) {
		pthread_cond_wait(&fake.changed, &fake.lock);
	}
	gate->waiting--;
	if (gate->skip > 0) {
		gate->skip--;
	} else if (gate->failures > 0) {
		gate->failures--;
		return gate->error;
	}
	/* DRM_MASTER in the table of drm_ioctl.c. */
	bool for_masters = op == FAKE_BLANK || op == FAKE_ADOPT || op == FAKE_CREATE ||
			   op == FAKE_REVOKE || op == FAKE_LIST;
	return for_masters && fake.no_master ? -EACCES : 0;
}

static int leave(int result) {
	unlock();
	return result;
}

static void push_event(enum card_event_type type, const char *device) {
	uint64_t one = 1;
	for (unsigned i = 0; i < fake.n_events; i++) {
		if (fake.events[i].type == type && strcmp(fake.events[i].device, device) == 0) {
			return; // says it already
		}
	}
	assert(fake.n_events < MAX_EVENTS);
	struct card_event *event = &fake.events[fake.n_events++];
	event->type = type;
	snprintf(event->device, sizeof(event->device), "%s", device);
	ssize_t n = write(fake.wake_fd, &one, sizeof(one));
	assert(n == sizeof(one));
}

static struct fake_card *find_device(const char *device) {
	struct fake_card *card;
	TAILQ_FOREACH (card, &fake.cards, link) {
		if (card->present && strcmp(card->device, device) == 0) {
			return card;
		}
	}
	return NULL;
}

static struct fake_card *find_master(int fd) {
	struct stat st;
	struct fake_card *card;
	int r = fstat(fd, &st);
	assert(r == 0); // the daemon used an fd that it had closed
	TAILQ_FOREACH (card, &fake.cards, link) {
		if (card->master_peer >= 0 && card->master == st.st_ino) {
			return card;
		}
	}
	assert(!"the fd is no card's");
	return NULL;
}

static bool has_hung_up(int fd) {
	struct pollfd p = {.fd = fd};
	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

/* The place of a CRTC in the topology. */
static unsigned find_crtc(struct fake_card *card, uint32_t crtc) {
	unsigned i = 0;
	while (i + 1 < card->topology.n_crtcs && card->topology.crtcs[i] != crtc) {
		i++;
	}
	return i;
}

static void end_lessee(struct fake_lessee *lessee) {
	unsigned i = find_crtc(lessee->card, lessee->shown);
	if (lessee->shown && lessee->card->crtc_picture[i] == lessee->picture &&
		!lessee->card->adopted[i]) {
		lessee->card->lost[i] = true;
	}
	TAILQ_REMOVE(&lessee->card->lessees, lessee, link);
	if (!fake.quiet && lessee->card->present) {
		push_event(CARD_EVENT_LEASE, lessee->card->device);
	}
	close(lessee->peer);
	free(lessee);
}

/* The kernel notices a close at once; here it is noticed with the next call. */
static void reap(struct fake_card *card) {
	struct fake_lessee *lessee, *next;
	for (lessee = TAILQ_FIRST(&card->lessees); lessee; lessee = next) {
		next = TAILQ_NEXT(lessee, link);
		if (has_hung_up(lessee->peer)) {
			end_lessee(lessee);
		}
	}
}

static void end_all(struct fake_card *card) {
	while (!TAILQ_EMPTY(&card->lessees)) {
		end_lessee(TAILQ_FIRST(&card->lessees));
	}
}

static struct fake_lessee *find_lessee(struct fake_card *card, uint32_t id) {
	struct fake_lessee *lessee;
	TAILQ_FOREACH (lessee, &card->lessees, link) {
		if (lessee->id == id) {
			return lessee;
		}
	}
	return NULL;
}

static int fake_monitor(void) {
	int r = enter(FAKE_MONITOR);
	if (r == 0) {
		r = fcntl(fake.epoll_fd, F_DUPFD_CLOEXEC, 3);
	}
	return leave(r);
}

static int fake_read_event(int fd, struct card_event *ret) {
	struct fake_card *card;
	lock();
	TAILQ_FOREACH (card, &fake.cards, link) {
		reap(card);
	}
	if (fake.lost) {
		fake.lost = false;
		fake.n_events = 0;
		return leave(-ENOBUFS);
	}
	if (fake.n_events == 0) {
		uint64_t count;
		ssize_t n = read(fake.wake_fd, &count, sizeof(count));
		(void)n; // EAGAIN: a lessee woke us, not an event
		return leave(0);
	}
	*ret = fake.events[0];
	memmove(&fake.events[0], &fake.events[1], --fake.n_events * sizeof(fake.events[0]));
	return leave(1);
}

static int fake_enumerate(char (*ret)[64], size_t max) {
	size_t n = 0;
	struct fake_card *card;
	int r = enter(FAKE_ENUMERATE);
	TAILQ_FOREACH (card, &fake.cards, link) {
		if (card->present && n < max) {
			memcpy(ret[n++], card->device, sizeof(*ret));
		}
	}
	return leave(r < 0 ? r : (int)n);
}

static int fake_open(const char *device, int from_seat) {
	int ends[2];
	struct stat st;
	int r = enter(FAKE_OPEN);
	struct fake_card *card = find_device(device);
	if (r < 0 || !card) {
		return leave(r < 0 ? r : -ENOENT);
	}
	if (card->topology.n_connectors == 0) {
		return leave(-ENXIO);
	}
	if (card->master_peer >= 0 && !has_hung_up(card->master_peer)) {
		return leave(-EBUSY);
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0 ||
		fstat(ends[0], &st) < 0) {
		return leave(-errno);
	}
	if (card->master_peer >= 0) {
		close(card->master_peer);
		end_all(card); // they ended with the last master
	}
	card->master_peer = ends[1];
	card->master = st.st_ino;
	return leave(ends[0]);
}

static void fake_describe_master(const char *device, char *ret, size_t size) {
	snprintf(ret, size, "Xorg (pid 812)");
}

static int fake_snapshot(int fd, struct card_snapshot *ret) {
	int r = enter(FAKE_SNAPSHOT);
	struct fake_card *card = find_master(fd);
	if (r == 0 && !card->present) {
		r = -ENODEV;
	}
	if (r == 0) {
		*ret = card->topology;
	}
	return leave(r);
}

static int fake_force_connect(const char *device, const char *connector) {
	int r = enter(FAKE_FORCE_CONNECT);
	struct fake_card *card = find_device(device);
	if (r < 0 || !card) {
		return leave(r < 0 ? r : -ENOENT);
	}
	for (unsigned i = 0; i < card->topology.n_connectors; i++) {
		if (strcmp(card->topology.connectors[i].name, connector) == 0) {
			card->topology.connectors[i].connected = true;
			return leave(0);
		}
	}
	return leave(-ENOENT);
}

/* Whether a lessee has the object. */
static bool is_leased(struct fake_card *card, uint32_t object) {
	struct fake_lessee *lessee;
	TAILQ_FOREACH (lessee, &card->lessees, link) {
		if (lessee->objects.connector == object || lessee->objects.crtc == object) {
			return true;
		}
		for (unsigned i = 0; i < lessee->objects.n_planes; i++) {
			if (lessee->objects.planes[i] == object) {
				return true;
			}
		}
	}
	return false;
}

/* Gives the picture to CRTC and planes; 0 blanks. Returns how many showed another one. */
static unsigned show(struct fake_card *card, const struct card_objects *objects, uint64_t picture) {
	const struct card_snapshot *t = &card->topology;
	unsigned n = 0;
	for (unsigned i = 0; i < t->n_crtcs; i++) {
		if (t->crtcs[i] == objects->crtc) {
			n += card->crtc_picture[i] != 0;
			card->crtc_picture[i] = picture;
		}
	}
	for (unsigned i = 0; i < t->n_planes; i++) {
		for (unsigned k = 0; k < objects->n_planes; k++) {
			if (t->planes[i].id == objects->planes[k]) {
				n += card->plane_picture[i] != 0;
				card->plane_picture[i] = picture;
			}
		}
	}
	return n;
}

static bool is_known(const struct card_snapshot *t, uint32_t object) {
	for (unsigned i = 0; i < CARD_MAX_OBJECTS; i++) {
		if ((i < t->n_connectors && t->connectors[i].id == object) ||
			(i < t->n_crtcs && t->crtcs[i] == object) ||
			(i < t->n_planes && t->planes[i].id == object)) {
			return true;
		}
	}
	return false;
}

static int fake_blank(int fd, const struct card_objects *objects) {
	int r = enter(FAKE_BLANK);
	struct fake_card *card = find_master(fd);
	if (r == 0 && !card->present) {
		r = -ENODEV;
	}
	if (r == 0 && !is_known(&card->topology, objects->crtc)) {
		r = -ENOENT;
	}
	if (r == 0) {
		reap(card);
		fake.n_torn += is_leased(card, objects->crtc);
		show(card, objects, 0);
		card->adopted[find_crtc(card, objects->crtc)] = false;
		card->lost[find_crtc(card, objects->crtc)] = false;
	}
	return leave(r);
}

/* The picture stays as it is. */
static int fake_adopt(int fd, const struct card_objects *objects, uint32_t *framebuffer) {
	int r = enter(FAKE_ADOPT);
	struct fake_card *card = find_master(fd);
	if (r == 0 && !card->present) {
		r = -ENODEV;
	}
	if (r == 0) {
		reap(card);
		r = card->lost[find_crtc(card, objects->crtc)] ? -ENOENT : 0;
	}
	if (r == 0) {
		fake.n_adopted += *framebuffer == 0;
		*framebuffer = objects->crtc + 1000;
		card->adopted[find_crtc(card, objects->crtc)] = true;
	}
	return leave(r);
}

static int fake_drop(int fd, uint32_t framebuffer) {
	lock();
	fake.n_adopted--;
	return leave(0);
}

static int fake_read_mode(int fd, uint32_t crtc, struct card_mode *ret) {
	int r = enter(FAKE_READ_MODE);
	struct fake_card *card = find_master(fd);
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
	return leave(r);
}

/* The order of drm_mode_create_lease_ioctl(): ENOENT, EINVAL, ENOSPC, EBUSY. */
static int check_objects(struct fake_card *card, const struct card_objects *objects) {
	uint32_t ids[2 + CARD_MAX_OBJECTS] = {objects->connector, objects->crtc};
	memcpy(&ids[2], objects->planes, objects->n_planes * sizeof(ids[0]));
	unsigned n = 2 + objects->n_planes;

	for (unsigned i = 0; i < n; i++) {
		if (!is_known(&card->topology, ids[i])) {
			return -ENOENT;
		}
	}
	if (objects->n_planes == 0) {
		return -EINVAL;
	}
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < i; k++) {
			if (ids[i] == ids[k]) {
				return -ENOSPC;
			}
		}
	}
	for (unsigned i = 0; i < n; i++) {
		if (is_leased(card, ids[i])) {
			return -EBUSY;
		}
	}
	return 0;
}

static uint32_t lowest_id(struct fake_card *card) {
	uint32_t id = 1;
	while (find_lessee(card, id)) {
		id++;
	}
	return id;
}

static int add_lessee(struct fake_card *card, const struct card_objects *objects, uint32_t *ret) {
	int ends[2];
	struct fake_lessee *lessee = calloc(1, sizeof(*lessee));
	if (!lessee) {
		return -ENOMEM;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
		free(lessee);
		return -errno;
	}
	lessee->card = card;
	lessee->id = lowest_id(card);
	lessee->peer = ends[1];
	if (objects) {
		lessee->objects = *objects;
		/* The holder draws at once. */
		unsigned i = find_crtc(card, objects->crtc);
		unsigned n = show(card, objects, ++fake.last_picture);
		fake.n_seen += card->adopted[i] ? 0 : n; // else it is meant to be seen
		card->adopted[i] = card->lost[i] = false;
		lessee->shown = objects->crtc;
		lessee->picture = fake.last_picture;
	}
	TAILQ_INSERT_TAIL(&card->lessees, lessee, link);
	if (!fake.quiet) {
		struct epoll_event event = {.events = EPOLLHUP};
		int r = epoll_ctl(fake.epoll_fd, EPOLL_CTL_ADD, lessee->peer, &event);
		assert(r == 0);
	}
	*ret = lessee->id;
	return ends[0];
}

static int fake_create_lease(int fd, const struct card_objects *objects, uint32_t *ret_lessee) {
	int r = enter(FAKE_CREATE);
	struct fake_card *card = find_master(fd);
	if (r == 0 && !card->present) {
		r = -ENODEV;
	}
	if (r == 0) {
		reap(card);
		r = objects ? check_objects(card, objects) : 0;
	}
	return leave(r < 0 ? r : add_lessee(card, objects, ret_lessee));
}

static int fake_revoke_lease(int fd, uint32_t id) {
	int r = enter(FAKE_REVOKE);
	struct fake_card *card = find_master(fd);
	reap(card);
	struct fake_lessee *lessee = find_lessee(card, id);
	if (r == 0 && !lessee) {
		r = card->present ? -ENOENT : -ENODEV;
	}
	if (r == 0) {
		lessee->objects = (struct card_objects){0}; // the id stays until it is closed
	}
	return leave(r);
}

static int fake_list_lessees(int fd, uint32_t *ret, size_t max) {
	size_t n = 0;
	struct fake_lessee *lessee;
	int r = enter(FAKE_LIST);
	struct fake_card *card = find_master(fd);
	if (r == 0 && !card->present) {
		r = -ENODEV;
	}
	if (r < 0) {
		return leave(r);
	}
	reap(card);
	TAILQ_FOREACH (lessee, &card->lessees, link) {
		if (lessee->objects.crtc != 0) {
			if (n < max) {
				ret[n] = lessee->id;
			}
			n++;
		}
	}
	return leave((int)n);
}

const struct card_ops fake_card_ops = {
	.monitor = fake_monitor,
	.read_event = fake_read_event,
	.enumerate = fake_enumerate,
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

void fake_init(void) {
	TAILQ_INIT(&fake.cards);
	memset(fake.gates, 0, sizeof(fake.gates));
	fake.n_events = fake.n_seen = fake.n_torn = fake.n_adopted = 0;
	fake.lost = fake.quiet = fake.no_master = false;
	fake.before = NULL;
	fake.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	fake.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event event = {.events = EPOLLIN};
	int r = epoll_ctl(fake.epoll_fd, EPOLL_CTL_ADD, fake.wake_fd, &event);
	assert(r == 0);
}

void fake_finish(void) {
	for (struct fake_card *card; (card = TAILQ_FIRST(&fake.cards));) {
		TAILQ_REMOVE(&fake.cards, card, link);
		card->present = false; // no events any more
		end_all(card);
		if (card->master_peer >= 0) {
			close(card->master_peer);
		}
		free(card);
	}
	close(fake.epoll_fd);
	close(fake.wake_fd);
}

struct fake_card *fake_card_add(const char *device, const struct card_snapshot *topology) {
	struct fake_card *card = calloc(1, sizeof(*card));
	assert(card);
	lock();
	snprintf(card->device, sizeof(card->device), "%s", device);
	card->topology = *topology;
	card->present = true;
	card->master_peer = -1;
	TAILQ_INIT(&card->lessees);
	fake.last_picture++;
	for (unsigned i = 0; i < CARD_MAX_OBJECTS; i++) {
		card->crtc_picture[i] = card->plane_picture[i] = fake.last_picture;
	}
	TAILQ_INSERT_TAIL(&fake.cards, card, link);
	unlock();
	return card;
}

void fake_card_remove(struct fake_card *card) {
	lock();
	card->present = false;
	end_all(card);
	push_event(CARD_EVENT_REMOVED, card->device);
	unlock();
}

void fake_card_set_connected(struct fake_card *card, unsigned connector, bool connected) {
	lock();
	card->topology.connectors[connector].connected = connected;
	unlock();
}

void fake_card_drop_connector(struct fake_card *card, unsigned connector) {
	lock();
	struct card_snapshot *t = &card->topology;
	memmove(&t->connectors[connector], &t->connectors[connector + 1],
		(--t->n_connectors - connector) * sizeof(t->connectors[0]));
	unlock();
}

bool fake_card_is_open(struct fake_card *card) {
	lock();
	bool open = card->master_peer >= 0 && !has_hung_up(card->master_peer);
	unlock();
	return open;
}

unsigned fake_card_n_lessees(struct fake_card *card) {
	unsigned n = 0;
	struct fake_lessee *lessee;
	lock();
	reap(card);
	TAILQ_FOREACH (lessee, &card->lessees, link) {
		n += lessee->objects.crtc != 0;
	}
	unlock();
	return n;
}

uint64_t fake_card_picture(struct fake_card *card, unsigned crtc) {
	lock();
	uint64_t picture = card->crtc_picture[crtc];
	unlock();
	return picture;
}

void fake_hold(enum fake_op op) {
	lock();
	fake.gates[op].held = true;
	unlock();
}

void fake_release(enum fake_op op) {
	lock();
	fake.gates[op].held = false;
	pthread_cond_broadcast(&fake.changed);
	unlock();
}

unsigned fake_waiting(enum fake_op op) {
	lock();
	unsigned n = fake.gates[op].waiting;
	unlock();
	return n;
}

void fake_fail(enum fake_op op, unsigned skip, unsigned times, int error) {
	lock();
	fake.gates[op].skip = skip;
	fake.gates[op].failures = times;
	fake.gates[op].error = error;
	unlock();
}

unsigned fake_count(enum fake_op op) {
	lock();
	unsigned n = fake.gates[op].count;
	unlock();
	return n;
}

void fake_before(enum fake_op op, void (*hook)(void *data), void *data) {
	fake.before_op = op;
	fake.before = hook;
	fake.before_data = data;
}

void fake_send(enum card_event_type type, const char *device) {
	lock();
	push_event(type, device);
	unlock();
}

void fake_lose_events(void) {
	lock();
	push_event(CARD_EVENT_OTHER, "");
	fake.lost = true;
	unlock();
}

void fake_set_master(bool master) {
	lock();
	fake.no_master = !master;
	unlock();
}

void fake_set_quiet(bool quiet) {
	fake.quiet = quiet;
}

unsigned fake_n_adopted(void) {
	lock();
	unsigned n = fake.n_adopted;
	unlock();
	return n;
}

unsigned fake_n_seen(void) {
	return fake.n_seen;
}

unsigned fake_n_torn(void) {
	return fake.n_torn;
}
