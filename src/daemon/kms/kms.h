/*
 * A KMS card, seen through `struct card_ops`: one instance on libdrm (card_drm.c), one faked for
 * the tests of the daemon's own logic (tests/unit/fake_card.c).
 */
#ifndef SCANOUTD_KMS_H
#define SCANOUTD_KMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kernel has 64 minor numbers for card nodes. */
#define MAX_CARDS 64

/* The kernel's own limits: drm_mode_config masks CRTCs, planes and connectors in 32 bits. */
#define CARD_MAX_OBJECTS 32

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
	struct card_mode preferred; // as the host sized it; zeros: it did not
	struct card_mode usual;     // what it can have instead; zeros without a mode
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
	/* The node that a path leads to, which may be a link such as those in /dev/dri/by-path. A
	 * card's node leads to itself, whether it is there or not. -ENXIO: to no card's node. */
	int (*resolve)(const char *path, char (*ret)[64]);
	/* The name of a node's kernel driver, such as "virtio_gpu". -ENOENT: not known. */
	int (*driver)(const char *device, char *ret, size_t size);
	/* The kernel's log from now on, for kernellog_read(). */
	int (*open_log)(void);
	/*
	 * Opens a node and makes the fd master. -ENXIO: not a KMS card with outputs; -EBUSY:
	 * another process is master. `fd` >= 0: use this open file, which somebody else opened,
	 * instead.
	 */
	int (*open)(const char *device, int fd);
	/* "Xorg (pid 812)": who keeps the card busy, as far as can be told. */
	void (*describe_master)(const char *device, char *ret, size_t size);

	/* `usual`: the size for outputs that prefer none, see mode_list_usual(). */
	int (*snapshot)(int fd, const struct card_mode *usual, struct card_snapshot *ret); // waits
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

#endif
