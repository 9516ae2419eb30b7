/* D-Bus connections that a program serves itself, without a bus daemon between. */
#ifndef SCANOUT_SERVER_H
#define SCANOUT_SERVER_H

#include <stdbool.h>
#include <sys/queue.h>
#include <systemd/sd-bus.h>

/* Of one connection; part of what the caller has for it. */
struct served {
	struct server *server;
	sd_bus *bus; // the caller's, with its objects
	sd_event_source *io;
	bool awake; // there is something to do for it
	/* It has failed, or the client has gone: the caller calls served_stop(). -ENOBUFS is a
	 * client that does not read. */
	void (*ended)(struct served *served, int error);
	TAILQ_ENTRY(served) link; // server::all
};

struct server {
	sd_event *event; // borrowed
	unsigned burst;  // messages taken from one before everybody else has a turn
	TAILQ_HEAD(served_list, served) all; // served.link
	sd_event_source *post;               // looks at them after each round, while there are any
	sd_event_source *again;              // one more round
};

int server_init(struct server *server, sd_event *event, unsigned burst);
/* Those that are served are stopped before. */
void server_finish(struct server *server);

/* Serves a connected socket, with `bus` and `ended` set. Takes fd over, always; on failure too the
 * caller calls served_stop(). */
int served_start(struct served *served, struct server *server, int fd);
/* Before the bus is closed. */
void served_stop(struct served *served);

#endif
