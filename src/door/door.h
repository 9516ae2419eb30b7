/*
 * Lets in whoever connects, at once, and reads nothing of what they send: names the container of
 * each connection and hands it to the process that serves this container, an instance of the same
 * program. The process is a wall: a container that floods, blocks or crashes it affects no other.
 */
#ifndef SCANOUT_DOOR_DOOR_H
#define SCANOUT_DOOR_DOOR_H

#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "common/say.h"
#include "door/callers.h"

#define DOOR_MAX_SOCKETS 8

struct undertaker;

struct door_options {
	/* In the child: becomes the instance's program, which serves this socket with a hatch.
	 * Returns only if it cannot. */
	void (*become)(void *data, const struct container *container, int fd);
	void *data;
	uint64_t idle_usec; // ends the program after this time without an instance; 0: never
};

struct instance {
	struct door *door;
	struct container container;
	uid_t uid;                 // identifies it outside containers
	sd_event_source *source;   // of the socket to its process, which is ours
	uint32_t n_sent;           // connections passed to it
	LIST_ENTRY(instance) link; // door.instances
};

LIST_HEAD(instance_list, instance);

struct door {
	struct door_options options;
	sd_event *event; // borrowed
	sd_event_source *listeners[DOOR_MAX_SOCKETS];
	unsigned n_listeners;
	sd_event_source *timer;         // ends the program; set while there is no instance
	struct instance_list instances; // instance.link
	unsigned n;
	struct callers callers;
	struct seldom refused;
	struct undertaker *undertaker;
};

/* The loop of a program with a door, and of its instances: SIGTERM and SIGINT end it, and systemd's
 * watchdog is told that it runs. Returns 0 or a negative errno; the caller unrefs it in any case.
 */
int door_new_event(sd_event **ret);
/* The caller calls door_close() in any case. */
int door_open(struct door *door, sd_event *event, const struct door_options *options);
/* Serves a listening socket. Takes fd over on success. */
int door_serve(struct door *door, int fd);
/* Serves those that systemd passes. Returns how many that are, or a negative errno. */
int door_serve_passed(struct door *door);
/* Ends the instances, too. */
void door_close(struct door *door);

#endif
