/*
 * org.freedesktop.login1 for one session on one seat: enough for compositors to get their devices,
 * and nothing that changes the machine.
 */
#ifndef SCANOUT_SEAT_LOGIN1_H
#define SCANOUT_SEAT_LOGIN1_H

#include "seat/bus.h"
#include "seat/login1_member.h"

/* Makes a mini bus that provides login1. To serve a socket, call bus_listen(login1->bus, …). */
int login1_create(struct login1 **ret, sd_event *event, struct seat *seat);
/* Disconnects all clients. Accepts NULL. */
void login1_destroy(struct login1 *login1);

#endif
