#include "ctl/seccomp_profile.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <xf86drm.h>

#include "ctl/property.h"

/*
 * What the kernel finds an ioctl of a DRM file by (drm_ioctl): type and number, the lower half. The
 * upper one tells direction and size of the argument, and a caller may write there what it likes.
 */
#define BITS 16
#define LOWER(request) ((uint16_t)(request))

static const uint16_t refused[] = {LOWER(DRM_IOCTL_MODE_GETFB), LOWER(DRM_IOCTL_MODE_GETFB2)};

#define N_REFUSED (sizeof(refused) / sizeof(refused[0]))

static bool is_ioctl(const cJSON *name) {
	return cJSON_IsString(name) && strcmp(name->valuestring, "ioctl") == 0;
}

/* Takes the name out of the rules that let it through whatever its arguments; how many. */
static int remove_ioctl(cJSON *syscalls) {
	int n = 0;
	cJSON *rule;
	cJSON_ArrayForEach (rule, syscalls) {
		cJSON *names = cJSON_GetObjectItemCaseSensitive(rule, "names");
		const cJSON *args = cJSON_GetObjectItemCaseSensitive(rule, "args");
		if (strcmp(property_string(rule, "action"), "SCMP_ACT_ALLOW") != 0 ||
			cJSON_GetArraySize(args) > 0) {
			continue;
		}
		for (int i = cJSON_GetArraySize(names) - 1; i >= 0; i--) {
			if (is_ioctl(cJSON_GetArrayItem(names, i))) {
				cJSON_DeleteItemFromArray(names, i);
				n++;
			}
		}
	}
	return n;
}

static cJSON *add_object(cJSON *array) {
	cJSON *object = cJSON_CreateObject();
	if (!cJSON_AddItemToArray(array, object)) {
		cJSON_Delete(object);
		return NULL;
	}
	return object;
}

/* Lets those through whose bits under the mask are these. */
static int add_rule(cJSON *syscalls, uint16_t mask, uint16_t value) {
	cJSON *rule = add_object(syscalls);
	cJSON *names = cJSON_AddArrayToObject(rule, "names");
	cJSON *name = cJSON_CreateString("ioctl");
	if (!cJSON_AddItemToArray(names, name)) {
		cJSON_Delete(name);
		return -ENOMEM;
	}
	cJSON *args = cJSON_AddArrayToObject(rule, "args");
	cJSON *arg = add_object(args);
	return cJSON_AddStringToObject(rule, "action", "SCMP_ACT_ALLOW") &&
			       cJSON_AddNumberToObject(arg, "index", 1) &&
			       cJSON_AddNumberToObject(arg, "value", mask) &&
			       cJSON_AddNumberToObject(arg, "valueTwo", value) &&
			       cJSON_AddStringToObject(arg, "op", "SCMP_CMP_MASKED_EQ")
		       ? 0
		       : -ENOMEM;
}

static bool is_any_below(uint16_t mask, uint16_t value) {
	for (size_t i = 0; i < N_REFUSED; i++) {
		if ((refused[i] & mask) == value) {
			return true;
		}
	}
	return false;
}

/*
 * A filter can say which values it lets through, and not "all but these two" of one argument. So
 * all numbers are a tree by their bits, from the highest, and each branch without a refused one is
 * a rule.
 */
static int add_branch(cJSON *syscalls, unsigned depth, uint16_t value) {
	uint16_t mask = (uint16_t)(0xffffU << (BITS - depth));
	if (!is_any_below(mask, value)) {
		return add_rule(syscalls, mask, value);
	}
	if (depth == BITS) {
		return 0;
	}
	int r = add_branch(syscalls, depth + 1, value);
	return r < 0 ? r
		     : add_branch(
			       syscalls, depth + 1, (uint16_t)(value | 1U << (BITS - depth - 1)));
}

int seccomp_profile_close(cJSON *profile) {
	cJSON *syscalls = cJSON_GetObjectItemCaseSensitive(profile, "syscalls");
	const char *otherwise = property_string(profile, "defaultAction");
	if (!cJSON_IsArray(syscalls) || (strncmp(otherwise, "SCMP_ACT_ERRNO", 14) != 0 &&
						strncmp(otherwise, "SCMP_ACT_KILL", 13) != 0)) {
		return -EBADMSG;
	}
	return remove_ioctl(syscalls) > 0 ? add_branch(syscalls, 0, 0) : -ENOENT;
}
