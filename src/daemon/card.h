/*
 * A KMS card, seen through `struct card_ops`: one instance on libdrm (card_drm.c), one faked for
 * the tests of the daemon's own logic (tests/unit/fake_card.c).
 */
#ifndef SCANOUTD_CARD_H
#define SCANOUTD_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

/* The kernel's own limits: drm_mode_config masks CRTCs, planes and connectors in 32 bits. */
#define CARD_MAX_OBJECTS 32

/* systemd's limit for FDNAME=. */
#define CARD_STORE_NAME_MAX 256

struct card_mode {
	uint32_t width, height; // pixels
	uint32_t refresh;       // mHz
};

struct card_connector {
	uint32_t id;
	char name[32];           // "Virtual-3"
	uint32_t possible_crtcs; // bit i = snapshot.crtcs[i]; union over its encoders
	uint32_t current_crtc;   // object id, or 0
	bool connected;
	struct card_mode preferred; // or the first one; zeros without a mode
};

enum card_plane_type {
	CARD_PLANE_OVERLAY,
	CARD_PLANE_PRIMARY,
	CARD_PLANE_CURSOR,
};

struct card_plane {
	uint32_t id;
	enum card_plane_type type;
	uint32_t possible_crtcs;
};

/* What a card consists of, in the order in which the kernel lists it. */
struct card_snapshot {
	struct card_connector connectors[CARD_MAX_OBJECTS];
	uint32_t crtcs[CARD_MAX_OBJECTS];
	struct card_plane planes[CARD_MAX_OBJECTS];
	unsigned n_connectors, n_crtcs, n_planes;
};

/* What is leased already: bit i = the i-th object of the snapshot. */
struct alloc_taken {
	uint32_t connectors, crtcs, planes;
};

/* The objects that make up one scanout while it is leased. */
struct card_objects {
	uint32_t connector, crtc;
	uint32_t planes[CARD_MAX_OBJECTS]; // the primary plane first
	unsigned n_planes;
};

enum card_event_type {
	CARD_EVENT_OTHER,
	CARD_EVENT_LEASE,   // a lessee went away: compare with the kernel's list
	CARD_EVENT_HOTPLUG, // connectors or modes changed
	CARD_EVENT_ADDED,
	CARD_EVENT_REMOVED,
};

struct card_event {
	enum card_event_type type;
	char device[64]; // "/dev/dri/card0"
};

/*
 * All functions return 0 or more, or a negative errno. Those marked "waits" may wait without a
 * bound for a modeset lock that a lessee holds: only a worker calls them.
 */
struct card_ops {
	/* A fd that becomes readable with every event about a card. The caller closes it. */
	int (*monitor)(void);
	/* 1 and an event, or 0 if there is none left. */
	int (*read_event)(int monitor_fd, struct card_event *ret);

	/* Paths of the card nodes that exist now. Fills at most `max`, returns how many. */
	int (*enumerate)(char (*ret)[64], size_t max);
	/* The path of an open card's node. -ENODEV: it is gone. */
	int (*find_node)(int fd, char (*ret)[64]);
	/*
	 * Opens a node and makes the fd master. -ENXIO: not a KMS card with outputs; -EBUSY:
	 * another process is master. `fd` >= 0: use this open file, which somebody else opened,
	 * instead.
	 */
	int (*open)(const char *device, int fd);
	/* "Xorg (pid 812)": who keeps the card busy, as far as can be told. */
	void (*describe_master)(const char *device, char *ret, size_t size);

	int (*snapshot)(int fd, struct card_snapshot *ret); // waits
	/* Tells the kernel that the connector is connected, whatever the host says. */
	int (*force_connect)(const char *device, const char *connector); // waits
	/* Switches CRTC and planes off and checks that nothing is shown. */
	int (*blank)(int fd, const struct card_objects *objects); // waits
	/*
	 * What the primary plane shows becomes a framebuffer of ours, and is shown as such: then
	 * it stays when its owner goes. In `framebuffer` is the one of an earlier call, or 0, and
	 * then the one to drop later. -ENOENT: nothing is shown.
	 */
	int (*adopt)(int fd, const struct card_objects *objects, uint32_t *framebuffer); // waits
	int (*drop)(int fd, uint32_t framebuffer);                                       // waits
	/* The mode that the CRTC shows now; zeros if it is off. */
	int (*read_mode)(int fd, uint32_t crtc, struct card_mode *ret); // waits

	/* A lease on the objects; NULL = an empty one. Returns its fd, which the caller owns. */
	int (*create_lease)(int fd, const struct card_objects *objects, uint32_t *ret_lessee);
	int (*revoke_lease)(int fd, uint32_t lessee);
	/* The lessees that hold objects. Fills at most `max`, returns how many there are. */
	int (*list_lessees)(int fd, uint32_t *ret, size_t max);
};

extern const struct card_ops card_drm_ops;

struct manager;
struct scanout;
struct worker;

/* A card in use. */
struct card {
	const struct card_ops *ops;
	char device[64];  // "/dev/dri/card0"
	const char *name; // "card0", inside device
	uint32_t major, minor;
	int fd;
	struct worker *worker;
	struct card_snapshot snapshot;
	char store_name[CARD_STORE_NAME_MAX]; // of fd in systemd's store; empty: not kept
	int silent;                           // a negative errno: it does not list its lessees
	int trouble;                          // a negative errno: why the last look failed
	bool stale;                           // … and is to be repeated
	bool preparing;                       // the start waits for it
	bool ready;                           // prepared; its scanouts exist
	bool refreshing;                      // a refresh of the modes is under way
	bool updating;                        // a new snapshot is being taken
	bool outdated;                        // … and something changed meanwhile
	struct manager *manager;              // borrowed, while it is closing; else NULL
	TAILQ_HEAD(scanout_list, scanout) scanouts; // scanout.link, in the snapshot's order
	TAILQ_ENTRY(card) link;                     // manager::cards
};

/* Takes over `fd` on success only. */
int card_new(
	const struct card_ops *ops, sd_event *event, const char *device, int fd, struct card **ret);
/* Closes the fd, which ends all leases in the kernel. The worker must be gone. NULL is fine. */
void card_destroy(struct card *card);

/* Makes an empty scanout one for a connector, and takes it over into the card's list. */
void card_add_scanout(
	struct card *card, const struct card_connector *connector, struct scanout *scanout);

/* What the card's scanouts hold, for alloc_pick(). */
struct alloc_taken card_taken(const struct card *card);
/* The connector's place in the snapshot, or -1 if it is gone. */
int card_find_connector(const struct card *card, uint32_t connector);

#endif
