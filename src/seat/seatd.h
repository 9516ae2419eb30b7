/* The seatd protocol, spoken by libseat, on a stream socket. */
#ifndef SCANOUT_SEAT_SEATD_H
#define SCANOUT_SEAT_SEATD_H

#include <stdbool.h>
#include <sys/queue.h>

#include "seat.h"

/*
 * The protocol carries no version. libseat 0.7 and 0.8 die of a reply to DISABLE_SEAT and
 * SWITCH_SESSION, later ones wait for it for ever.
 */
enum seatd_dialect {
	SEATD_DIALECT_0_9, // and later
	SEATD_DIALECT_0_7, // and 0.8
};

struct seatd_client;

TAILQ_HEAD(seatd_clients, seatd_client);

struct seatd {
	struct seat *seat;
	sd_event *event;
	enum seatd_dialect dialect;
	sd_event_source *listener;    // may be NULL
	struct seatd_client *active;  // who is told that the seat is its own; may be NULL
	struct seatd_clients clients; // seatd_client.link, in the order they came
	unsigned n_clients;
};

int seatd_create(
	struct seatd **ret, sd_event *event, struct seat *seat, enum seatd_dialect dialect);
/* Drops all clients. Accepts NULL. */
void seatd_destroy(struct seatd *seatd);

/* Drops every client there is; new ones may come. */
void seatd_hang_up(struct seatd *seatd);

/* Serves a listening socket. Takes fd over on success. */
int seatd_listen(struct seatd *seatd, int fd);
/* Serves one connected socket. Takes fd over, always. */
int seatd_adopt(struct seatd *seatd, int fd);

#endif
