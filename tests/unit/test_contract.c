/*
 * dbus/org.scanoutd.Scanout1.xml is the contract: what the running daemon says about itself must
 * be the same, interface by interface, member by member, argument by argument.
 */
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_rig.h"

#define CONTRACT "dbus/org.scanoutd.Scanout1.xml"
#define MAX_LINES 256

/* An introspection as sorted lines, "INTERFACE method Release in s id". */
struct description {
	char *lines[MAX_LINES];
	size_t n;
	/* While it is parsed: */
	char interface[128], member[128];
	bool ours;
};

static const char *attribute(const char **attributes, const char *name) {
	for (size_t i = 0; attributes[i]; i += 2) {
		if (strcmp(attributes[i], name) == 0) {
			return attributes[i + 1];
		}
	}
	return "";
}

__attribute__((format(printf, 2, 3))) static void add_line(
	struct description *d, const char *format, ...) {
	va_list args;
	assert_true(d->n < MAX_LINES);
	va_start(args, format);
	assert_true(vasprintf(&d->lines[d->n++], format, args) > 0);
	va_end(args);
}

static void handle_member(struct description *d, const char *kind, const char **attributes) {
	snprintf(d->member, sizeof(d->member), "%s %s", kind, attribute(attributes, "name"));
	add_line(d, "%s %s %s %s", d->interface, d->member, attribute(attributes, "type"),
		attribute(attributes, "access"));
}

static void handle_start(void *data, const char *name, const char **attributes) {
	struct description *d = data;
	if (strcmp(name, "interface") == 0) {
		const char *interface = attribute(attributes, "name");
		d->ours = strncmp(interface, SCANOUT_BUS_NAME, strlen(SCANOUT_BUS_NAME)) == 0;
		snprintf(d->interface, sizeof(d->interface), "%s", interface);
	} else if (!d->ours) {
		return;
	} else if (strcmp(name, "method") == 0 || strcmp(name, "signal") == 0 ||
		   strcmp(name, "property") == 0) {
		handle_member(d, name, attributes);
	} else if (strcmp(name, "arg") == 0) {
		/* A signal's arguments have one direction only, which may be left out. */
		const char *direction = attribute(attributes, "direction");
		bool outward =
			strncmp(d->member, "signal", 6) == 0 && strcmp(direction, "out") == 0;
		add_line(d, "%s %s arg %s %s %s", d->interface, d->member,
			attribute(attributes, "type"), attribute(attributes, "name"),
			outward ? "" : direction);
	} else if (strcmp(name, "annotation") == 0) {
		add_line(d, "%s %s annotation %s=%s", d->interface, d->member,
			attribute(attributes, "name"), attribute(attributes, "value"));
	}
}

static int compare(const void *a, const void *b) {
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void describe(struct description *d, const char *text, size_t size) {
	XML_Parser parser = XML_ParserCreate(NULL);
	assert_non_null(parser);
	XML_SetUserData(parser, d);
	XML_SetStartElementHandler(parser, handle_start);
	if (XML_Parse(parser, text, (int)size, true) != XML_STATUS_OK) {
		fail_msg("%s in: %s", XML_ErrorString(XML_GetErrorCode(parser)), text);
	}
	XML_ParserFree(parser);
}

static void describe_contract(struct description *d) {
	char text[32768];
	AUTO_FCLOSE FILE *file = fopen(CONTRACT, "re");
	if (!file) {
		fail_msg(CONTRACT " is not there; tests run in the root of the tree");
	}
	size_t size = fread(text, 1, sizeof(text), file);
	assert_true(size > 0 && size < sizeof(text));
	describe(d, text, size);
	qsort(d->lines, d->n, sizeof(d->lines[0]), compare);
}

static void describe_object(struct description *d, sd_bus *bus, const char *path) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	const char *text;
	if (sd_bus_call_method(bus, SCANOUT_BUS_NAME, path, "org.freedesktop.DBus.Introspectable",
		    "Introspect", &error, &reply, "") < 0) {
		fail_msg("%s: %s", path, error.message);
	}
	assert_true(sd_bus_message_read(reply, "s", &text) > 0);
	describe(d, text, strlen(text));
}

static void free_description(struct description *d) {
	for (size_t i = 0; i < d->n; i++) {
		free(d->lines[i]);
	}
}

static void introspection_is_the_contract(void **state) {
	struct bus_rig *rig = *state;
	struct description contract = {0}, daemon = {0};
	AUTO_FREE char *path = scanout_path("card0-Virtual-1");
	describe_contract(&contract);
	assert_true(contract.n > 30);
	describe_object(&daemon, rig->client, SCANOUT_BUS_PATH);
	describe_object(&daemon, rig->client, path);
	qsort(daemon.lines, daemon.n, sizeof(daemon.lines[0]), compare);

	unsigned n_wrong = 0;
	for (size_t i = 0, k = 0; i < contract.n || k < daemon.n;) {
		int order = i == contract.n ? 1
			    : k == daemon.n ? -1
					    : strcmp(contract.lines[i], daemon.lines[k]);
		if (order != 0) {
			print_error("only in the %s: %s\n", order < 0 ? "contract" : "daemon",
				order < 0 ? contract.lines[i] : daemon.lines[k]);
			n_wrong++;
		}
		i += order <= 0;
		k += order >= 0;
	}
	free_description(&contract);
	free_description(&daemon);
	assert_int_equal(n_wrong, 0);
}

/* Each scanout is an object below the manager's, and nothing else is. */
static void the_tree_shows_every_scanout(void **state) {
	struct bus_rig *rig = *state;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	const char *text;
	assert_true(sd_bus_call_method(rig->client, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
			    "org.freedesktop.DBus.Introspectable", "Introspect", NULL, &reply,
			    "") >= 0);
	assert_true(sd_bus_message_read(reply, "s", &text) > 0);
	unsigned n = 0;
	for (const char *p = text; (p = strstr(p, "<node name=\"card0_2dVirtual_2d")); p++) {
		n++;
	}
	assert_int_equal(n, 4);
}

static void managed_objects_are_the_scanouts(void **state) {
	struct bus_rig *rig = *state;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	const char *path, *interface;
	unsigned n_scanouts = 0;
	assert_true(sd_bus_call_method(rig->client, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
			    "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, &reply,
			    "") >= 0);
	assert_true(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}") > 0);
	while (sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}") > 0) {
		assert_true(sd_bus_message_read(reply, "o", &path) > 0);
		assert_true(sd_bus_message_enter_container(reply, 'a', "{sa{sv}}") > 0);
		while (sd_bus_message_enter_container(reply, 'e', "sa{sv}") > 0) {
			assert_true(sd_bus_message_read(reply, "s", &interface) > 0);
			if (strcmp(interface, SCANOUT_SCANOUT_INTERFACE) == 0) {
				const char *id = NULL;
				assert_true(dict_find(reply, "Id", 's', &id));
				AUTO_FREE char *expected = scanout_path(id);
				assert_string_equal(path, expected);
				n_scanouts++;
			} else {
				assert_true(sd_bus_message_skip(reply, "a{sv}") > 0);
			}
			assert_true(sd_bus_message_exit_container(reply) >= 0);
		}
		assert_true(sd_bus_message_exit_container(reply) >= 0);
		assert_true(sd_bus_message_exit_container(reply) >= 0);
	}
	assert_int_equal(n_scanouts, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bus_rig_setup, bus_rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(introspection_is_the_contract),
		TEST(the_tree_shows_every_scanout),
		TEST(managed_objects_are_the_scanouts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
