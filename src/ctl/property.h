/* D-Bus values as JSON: a{sv} becomes an object with lower-case snake_case keys. */
#ifndef SCANOUT_CTL_PROPERTY_H
#define SCANOUT_CTL_PROPERTY_H

#include <cjson/cJSON.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

/* A key that is always present and always has this type. */
struct property {
	const char *name;              // as in JSON
	const char *type;              // D-Bus signature; a value of another type is ignored
	const struct property *fields; // of an a{sv}, or NULL; ends with a NULL name
};

/*
 * Reads the a{sv} at the read position. Known properties come first and in order, with 0, "" or
 * empty if the message lacks them; unknown ones follow. `known` may be NULL.
 */
int property_read(sd_bus_message *m, const struct property *known, cJSON **ret);

/* Reads any one value. File descriptors become null. */
int property_read_value(sd_bus_message *m, cJSON **ret);

/* These never fail: they return "" or 0 for a value that is missing or of another type. */
const char *property_string(const cJSON *object, const char *name);
uint64_t property_number(const cJSON *object, const char *name);

#endif
