/* The keys of scanoutd.conf and the values that each may have. */
#ifndef SCANOUTD_CONFIG_KEY_H
#define SCANOUTD_CONFIG_KEY_H

#include "daemon/model/config.h"
#include "daemon/util/config_error.h"

/* For messages. */
#define CONFIG_KEY_SECTIONS "[Card], [Scanouts], [Agent] or [Policy]"

/* Whether a key is in the section whose name is the first `length` bytes of `name`. */
bool config_key_has_section(const char *name, size_t length);

/*
 * Sets what `name`=`value` in `section` says. `seen` has a bit per key, to refuse one that stands
 * twice in a file; it starts as 0. Returns false with an error, and `config` as it was, if there
 * is no such key or the value is not allowed.
 */
bool config_key_set(struct config *config, unsigned *seen, const char *section, const char *name,
	const char *value, struct config_error *error);

#endif
