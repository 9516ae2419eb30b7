/* The seatd protocol, spoken by libseat, on a stream socket. */
#ifndef SCANOUT_SEAT_SEATD_H
#define SCANOUT_SEAT_SEATD_H

#include <stdbool.h>
#include <sys/queue.h>

#include "seat/seat.h"

/*
 * The protocol has no version number. libseat 0.7 and 0.8 crash on a reply to DISABLE_SEAT and
 * SWITCH_SESSION; later versions wait for that reply for ever. A client that may be either is not
 * notified of a pause, which avoids both.
 */
enum seatd_dialect {
	SEATD_DIALECT_UNKNOWN,
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
	struct seatd_client *active;  // the client that has the seat; may be NULL
	struct seatd_clients clients; // seatd_client.link, in the order of their connections
	unsigned n_clients;
};

int seatd_create(
	struct seatd **ret, sd_event *event, struct seat *seat, enum seatd_dialect dialect);
/* Disconnects all clients. Accepts NULL. */
void seatd_destroy(struct seatd *seatd);

/* Disconnects all clients; new ones may connect. */
void seatd_hang_up(struct seatd *seatd);

/* Serves a listening socket. Takes fd over on success. */
int seatd_listen(struct seatd *seatd, int fd);
/* Serves one connected socket. Takes fd over, always. */
int seatd_adopt(struct seatd *seatd, int fd);

#endif
