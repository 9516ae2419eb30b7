/* The objects of login1, each in a file of its own. Their userdata is the client. */
#ifndef SCANOUT_SEAT_LOGIN1_OBJECTS_H
#define SCANOUT_SEAT_LOGIN1_OBJECTS_H

#include "seat/login1_member.h"

int login1_add_manager(struct login1_client *client);
int login1_add_session(struct login1_client *client);
int login1_add_seat(struct login1_client *client);
int login1_add_user(struct login1_client *client);

#endif
