/* Calls of the daemon's methods, for tests on a private bus. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_rig.h"

static int call_with(sd_bus *bus, sd_bus_error *error, sd_bus_message **ret, const char *method,
	const char *types, va_list args) {
	AUTO_MESSAGE sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(
		bus, &m, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH, SCANOUT_MANAGER_INTERFACE, method);
	if (r >= 0 && types) {
		r = sd_bus_message_appendv(m, types, args);
	}
	return r < 0 ? r : sd_bus_call(bus, m, 0, error, ret);
}

sd_bus_message *call(sd_bus *bus, const char *method, const char *types, ...) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	va_list args;
	va_start(args, types);
	int r = call_with(bus, &error, &reply, method, types, args);
	va_end(args);
	if (r < 0) {
		fail_msg("%s fails: %s: %s (%s)", method, error.name, error.message, strerror(-r));
	}
	return reply;
}

void assert_error(sd_bus *bus, const char *name, const char *method, const char *types, ...) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	va_list args;
	va_start(args, types);
	int r = call_with(bus, &error, &reply, method, types, args);
	va_end(args);
	if (r >= 0) {
		fail_msg("%s is not refused with %s", method, name);
	}
	if (!error.name || strcmp(error.name, name) != 0) {
		fail_msg("%s is refused with %s: %s, not with %s (%s)", method, error.name,
			error.message, name, strerror(-r));
	}
	assert_true(strlen(error.message) > 10);
}

void call_for_error(
	char *ret, size_t size, sd_bus *bus, const char *method, const char *types, ...) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	va_list args;
	va_start(args, types);
	int r = call_with(bus, &error, &reply, method, types, args);
	va_end(args);
	snprintf(ret, size, "%s", r >= 0 ? "" : error.name ? error.name : strerror(-r));
}

int get_lease(sd_bus *bus, char ret_id[64]) {
	AUTO_MESSAGE sd_bus_message *reply = call(bus, "RequestScanout", "a{sv}", 0);
	const char *path, *id = "";
	int fd;
	assert_true(sd_bus_message_read(reply, "ho", &fd, &path) > 0);
	assert_true(dict_find(reply, "id", 's', &id));
	if (ret_id) {
		snprintf(ret_id, 64, "%s", id);
	}
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3); // the message owns the fd
	assert_true(copy >= 0);
	return copy;
}

bool dict_find(sd_bus_message *m, const char *key, char type, void *ret) {
	bool found = false;
	int r;
	assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		const char *name, *contents;
		assert_true(sd_bus_message_read(m, "s", &name) > 0);
		if (strcmp(name, key) == 0) {
			char types[2] = {type, '\0'};
			assert_true(sd_bus_message_peek_type(m, NULL, &contents) > 0);
			assert_string_equal(contents, types);
			assert_true(sd_bus_message_read(m, "v", types, ret) > 0);
			assert_false(found); // no key stands twice
			found = true;
		} else {
			assert_true(sd_bus_message_skip(m, "v") > 0);
		}
		assert_true(sd_bus_message_exit_container(m) >= 0);
	}
	assert_int_equal(r, 0);
	assert_true(sd_bus_message_exit_container(m) >= 0);
	return found;
}

char *scanout_path(const char *id) {
	char *path = NULL;
	assert_true(sd_bus_path_encode(SCANOUT_BUS_PATH, id, &path) >= 0);
	return path;
}

char *scanout_property(sd_bus *bus, const char *id, const char *property) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_FREE char *path = scanout_path(id);
	char *value = NULL;
	int r = sd_bus_get_property_string(
		bus, SCANOUT_BUS_NAME, path, SCANOUT_SCANOUT_INTERFACE, property, &error, &value);
	if (r < 0) {
		fail_msg("%s of %s: %s", property, id, error.message);
	}
	return value;
}

static bool is_in_state(sd_bus *bus, const char *id, const char *state) {
	AUTO_FREE char *now = scanout_property(bus, id, "State");
	return strcmp(now, state) == 0;
}

void wait_for_state(sd_bus *bus, const char *id, const char *state) {
	char what[128];
	snprintf(what, sizeof(what), "%s is %s", id, state);
	uint64_t since = patience_begin(what);
	while (!is_in_state(bus, id, state)) {
		patience_sleep(since);
	}
	patience_end();
}

uint32_t count_free(sd_bus *bus) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	uint32_t n = 0;
	int r = sd_bus_get_property_trivial(bus, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
		SCANOUT_MANAGER_INTERFACE, "Free", &error, 'u', &n);
	if (r < 0) {
		fail_msg("Free: %s", error.message);
	}
	return n;
}

void wait_for_free(sd_bus *bus, uint32_t n) {
	char what[64];
	snprintf(what, sizeof(what), "%u scanouts are free", n);
	uint64_t since = patience_begin(what);
	while (count_free(bus) != n) {
		patience_sleep(since);
	}
	patience_end();
}
