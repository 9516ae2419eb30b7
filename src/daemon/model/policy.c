#include "daemon/model/policy.h"

#include <inttypes.h>

#include "daemon/util/string_list.h"

bool policy_is_admin(const struct config *config, const struct identity *identity) {
	if (identity->guest || identity->apart || identity_in_container(identity)) {
		return false;
	}
	if (identity->uid == 0) {
		return true;
	}
	if (!config->admin_group) {
		return false;
	}
	for (size_t i = 0; i < identity->n_groups; i++) {
		if (identity->groups[i] == config->admin_gid) {
			return true;
		}
	}
	return false;
}

bool policy_is_excluded(const struct config *config, const char *scanout_id) {
	return string_list_contains(config->exclude, scanout_id);
}

enum refusal_code policy_check_request(const struct config *config, const struct identity *identity,
	unsigned held, struct refusal *ret) {
	if (policy_is_admin(config, identity) || held < config->max_per_holder) {
		return REFUSAL_NONE;
	}
	return refusal_set(ret, REFUSAL_QUOTA,
		"You hold or wait for %u scanouts, and MaxPerHolder= is %u. Release one first, or ask "
		"the admin to raise MaxPerHolder= in scanoutd.conf.",
		held, config->max_per_holder);
}

enum refusal_code policy_check_linger(
	const struct config *config, uint64_t usec, struct refusal *ret) {
	if (usec <= config->max_linger_usec) {
		return REFUSAL_NONE;
	}
	return refusal_set(ret, REFUSAL_INVALID_OPTION,
		"'linger' is in microseconds and here at most %" PRIu64
		", by MaxLinger= in scanoutd.conf. Ask for less, or leave it out.",
		config->max_linger_usec);
}

enum refusal_code policy_check_release(const struct config *config, const struct identity *identity,
	const struct identity *holder, struct refusal *ret) {
	if (policy_is_admin(config, identity) || identity_acts_for(identity, holder)) {
		return REFUSAL_NONE;
	}
	return refusal_set(ret, REFUSAL_NOT_HOLDER,
		"Another holder has this scanout. Only its holder or an admin may release it; "
		"'scanoutctl list' as an admin shows who that is.");
}
