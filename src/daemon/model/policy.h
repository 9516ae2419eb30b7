/* May this holder have this? Pure, and closed: what is not allowed here is refused. */
#ifndef SCANOUTD_POLICY_H
#define SCANOUTD_POLICY_H

#include <stdbool.h>

#include "daemon/model/config.h"
#include "daemon/model/identity.h"
#include "daemon/model/refusal.h"

/* uid 0 outside any container, or a member of AdminGroup= outside any container. */
bool policy_is_admin(const struct config *config, const struct identity *identity);

/* Whether the configuration keeps this scanout away from everybody. */
bool policy_is_excluded(const struct config *config, const char *scanout_id);

/*
 * Whether `identity`, which holds or waits for `held` scanouts already, may ask for one more.
 * Admins have no quota.
 */
enum refusal_code policy_check_request(const struct config *config, const struct identity *identity,
	unsigned held, struct refusal *ret);

/* Whether a picture may linger for so long. For admins as well: it keeps a scanout busy. */
enum refusal_code policy_check_linger(
	const struct config *config, uint64_t usec, struct refusal *ret);

/* Whether `identity` may end a lease held by `holder`. */
enum refusal_code policy_check_release(const struct config *config, const struct identity *identity,
	const struct identity *holder, struct refusal *ret);

#endif
