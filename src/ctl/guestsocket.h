/* Whether containers that ask on the guest socket are answered. */
#ifndef SCANOUTCTL_GUESTSOCKET_H
#define SCANOUTCTL_GUESTSOCKET_H

#include "common/diagnosis.h"

/* Adds a line about it, if there is the folder that containers mount. */
void guestsocket_check(struct diagnosis *d);

#endif
