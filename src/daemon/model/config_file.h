/* scanoutd.conf and its drop-ins. The format is documented in scanoutd.conf(5). */
#ifndef SCANOUTD_CONFIG_FILE_H
#define SCANOUTD_CONFIG_FILE_H

#include "daemon/model/config.h"

/*
 * Reads `path` and then `path`.d/NAME.conf in the order of their names; a later file overrides.
 * A file that does not exist is an empty one; anything else that is wrong is an error: the
 * first one is described in `error` as "FILE:LINE: what is wrong, what is allowed".
 * Returns 0, -EINVAL or another negative errno. On failure `ret` is untouched.
 */
int config_load(const char *path, struct config *ret, char *error, size_t error_size);

#endif
