#include "ctl/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/table.h"
#include "ctl/property.h"
#include "ctl/scanout.h"
#include "scanout/dbus_names.h"

static void print_stamp(struct timespec now) {
	struct tm local;
	char text[64] = "";
	if (localtime_r(&now.tv_sec, &local)) {
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local);
	}
	printf("%s.%03ld", text, now.tv_nsec / 1000000);
}

/* One detail of an event: label=desk-1 holder="podman:1a2b3c4d5e6f uid 1000 pid 812" */
static void print_detail(const cJSON *item) {
	AUTO_FREE char *holder = NULL;
	AUTO_JSON_TEXT char *json = NULL;
	const char *text = cJSON_GetStringValue(item);
	if (strcmp(item->string, "holder") == 0) {
		text = holder = scanout_holder_text(item);
	} else if (!text) {
		text = json = cJSON_PrintUnformatted(item);
	}
	bool quoted = !text || !*text || strchr(text, ' ');
	printf(" %s=%s", item->string, quoted ? "\"" : "");
	table_print_clean(text ? text : "");
	fputs(quoted ? "\"" : "", stdout);
}

/* The text form: what happened to what, then the details that the event carries. */
static void print_text(const cJSON *event, struct timespec now) {
	static const char *const carriers[] = {"info", "properties"};
	print_stamp(now);
	printf("  %-11s ", property_string(event, "event"));
	table_print_clean(property_string(event, "id"));
	table_print_clean(property_string(event, "message"));
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
		const cJSON *detail;
		cJSON_ArrayForEach (detail, cJSON_GetObjectItemCaseSensitive(event, carriers[i])) {
			print_detail(detail);
		}
	}
	const cJSON *reason = cJSON_GetObjectItemCaseSensitive(event, "reason");
	if (reason) {
		print_detail(reason);
	}
	const cJSON *scanout = cJSON_GetObjectItemCaseSensitive(event, "scanout");
	if (scanout) {
		print_detail(cJSON_GetObjectItemCaseSensitive(scanout, "state"));
	}
	putchar('\n');
}

static int print_event(cJSON *event, bool json) {
	struct timespec now;
	char usec[32];
	clock_gettime(CLOCK_REALTIME, &now);
	if (json) {
		snprintf(usec, sizeof(usec), "%lld",
			(long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
		if (!cJSON_AddRawToObject(event, "time", usec)) {
			return -ENOMEM;
		}
		AUTO_JSON_TEXT char *text = cJSON_PrintUnformatted(event);
		if (!text) {
			return -ENOMEM;
		}
		puts(text);
	} else {
		print_text(event, now);
	}
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : -EIO;
}

/* card0-Virtual-3 for its object path, "manager" for the root object. */
static cJSON *path_to_id(const char *path) {
	AUTO_FREE char *id = NULL;
	if (strcmp(path, SCANOUT_BUS_PATH) == 0) {
		return cJSON_CreateString("manager");
	}
	int r = sd_bus_path_decode(path, SCANOUT_BUS_PATH, &id);
	return cJSON_CreateString(r > 0 ? id : path);
}

static int create_event(const char *name, const char *path, cJSON **ret) {
	AUTO_JSON cJSON *event = cJSON_CreateObject();
	if (!event || !cJSON_AddStringToObject(event, "event", name)) {
		return -ENOMEM;
	}
	if (path && (!cJSON_AddItemToObject(event, "id", path_to_id(path)) ||
			    !cJSON_AddStringToObject(event, "path", path))) {
		return -ENOMEM;
	}
	*ret = TAKE_PTR(event);
	return 0;
}

/* Events that are about no scanout say a sentence instead. */
static int create_daemon_event(const char *name, const char *message, cJSON **ret) {
	AUTO_JSON cJSON *event = NULL;
	int r = create_event(name, NULL, &event);
	if (r < 0) {
		return r;
	}
	if (!cJSON_AddStringToObject(event, "message", message)) {
		return -ENOMEM;
	}
	*ret = TAKE_PTR(event);
	return 0;
}

static int read_leased(sd_bus_message *m, cJSON **ret) {
	const char *path;
	cJSON *info = NULL;
	AUTO_JSON cJSON *event = NULL;
	int r = sd_bus_message_read(m, "o", &path);
	r = r < 0 ? r : create_event("leased", path, &event);
	r = r < 0 ? r : property_read(m, NULL, &info);
	if (r < 0) {
		return r;
	}
	cJSON_AddItemToObject(event, "info", info);
	*ret = TAKE_PTR(event);
	return 0;
}

static int read_ended(sd_bus_message *m, cJSON **ret) {
	const char *path;
	const char *reason;
	AUTO_JSON cJSON *event = NULL;
	int r = sd_bus_message_read(m, "os", &path, &reason);
	r = r < 0 ? r : create_event("ended", path, &event);
	if (r < 0) {
		return r;
	}
	if (!cJSON_AddStringToObject(event, "reason", reason)) {
		return -ENOMEM;
	}
	*ret = TAKE_PTR(event);
	return 0;
}

static int read_changed(sd_bus_message *m, cJSON **ret) {
	cJSON *properties = NULL;
	AUTO_JSON cJSON *invalidated = NULL;
	AUTO_JSON cJSON *event = NULL;
	int r = sd_bus_message_skip(m, "s");
	r = r < 0 ? r : create_event("changed", sd_bus_message_get_path(m), &event);
	r = r < 0 ? r : property_read(m, NULL, &properties);
	if (r < 0) {
		return r;
	}
	cJSON_AddItemToObject(event, "properties", properties);
	r = property_read_value(m, &invalidated);
	if (r < 0) {
		return r;
	}
	if (cJSON_GetArraySize(invalidated) > 0) {
		cJSON_AddItemToObject(event, "invalidated", TAKE_PTR(invalidated));
	}
	*ret = TAKE_PTR(event);
	return 0;
}

static int read_added(sd_bus_message *m, cJSON **ret) {
	const char *path;
	AUTO_JSON cJSON *event = NULL;
	int r = sd_bus_message_read(m, "o", &path);
	r = r < 0 ? r : create_event("added", path, &event);
	r = r < 0 ? r : sd_bus_message_enter_container(m, 'a', "{sa{sv}}");
	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
		const char *interface;
		cJSON *scanout = NULL;
		r = sd_bus_message_read(m, "s", &interface);
		if (r >= 0 && strcmp(interface, SCANOUT_SCANOUT_INTERFACE) == 0) {
			r = scanout_read(m, &scanout);
			cJSON_AddItemToObject(event, "scanout", scanout);
		} else if (r >= 0) {
			r = sd_bus_message_skip(m, "a{sv}");
		}
		r = r < 0 ? r : sd_bus_message_exit_container(m);
	}
	if (r < 0) {
		return r;
	}
	*ret = TAKE_PTR(event);
	return 0;
}

static int read_removed(sd_bus_message *m, cJSON **ret) {
	const char *path;
	int r = sd_bus_message_read(m, "o", &path);
	return r < 0 ? r : create_event("removed", path, ret);
}

static int read_owner(sd_bus_message *m, cJSON **ret) {
	const char *owner;
	int r = sd_bus_message_read(m, "sss", NULL, NULL, &owner);
	if (r < 0) {
		return r;
	}
	return *owner ? create_daemon_event("daemon-up", "scanoutd is back", ret)
		      : create_daemon_event("daemon-gone", "scanoutd went away", ret);
}

static const struct {
	const char *interface;
	const char *member;
	int (*read)(sd_bus_message *m, cJSON **ret);
} readers[] = {
	{SCANOUT_MANAGER_INTERFACE, "ScanoutLeased", read_leased},
	{SCANOUT_MANAGER_INTERFACE, "ScanoutEnded", read_ended},
	{"org.freedesktop.DBus.Properties", "PropertiesChanged", read_changed},
	{"org.freedesktop.DBus.ObjectManager", "InterfacesAdded", read_added},
	{"org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", read_removed},
	{"org.freedesktop.DBus", "NameOwnerChanged", read_owner},
};

int event_print(sd_bus_message *m, bool json) {
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
		if (!sd_bus_message_is_signal(m, readers[i].interface, readers[i].member)) {
			continue;
		}
		AUTO_JSON cJSON *event = NULL;
		int r = readers[i].read(m, &event);
		return r < 0 ? r : print_event(event, json);
	}
	return 0;
}

int event_print_watching(bool running, bool json) {
	AUTO_JSON cJSON *event = NULL;
	int r = create_daemon_event("watching",
		running ? "scanoutd is running" : "scanoutd is not running yet", &event);
	if (r < 0) {
		return r;
	}
	if (!cJSON_AddBoolToObject(event, "running", running)) {
		return -ENOMEM;
	}
	return print_event(event, json);
}
