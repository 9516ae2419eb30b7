/* D-Bus values as JSON: a{sv} becomes an object with lower-case snake_case keys. */
#ifndef SCANOUT_CTL_PROPERTY_H
#define SCANOUT_CTL_PROPERTY_H

#include <cjson/cJSON.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

/* A key that a reader may rely on: always there, always of this type. */
struct property {
	const char *name;              // as in JSON
	const char *type;              // D-Bus signature; what comes with another one is ignored
	const struct property *fields; // of an a{sv}, or NULL; ends with a NULL name
};

/*
 * Reads the a{sv} at the read position. Known properties come first and in order, with 0, "" or
 * empty if the message does not have them; unknown ones follow. `known` may be NULL.
 */
int property_read(sd_bus_message *m, const struct property *known, cJSON **ret);

/* Reads any one value. File descriptors become null. */
int property_read_value(sd_bus_message *m, cJSON **ret);

/* Accessors that never fail: "" and 0 for what is missing or of another type. */
const char *property_string(const cJSON *object, const char *name);
uint64_t property_number(const cJSON *object, const char *name);

#endif
