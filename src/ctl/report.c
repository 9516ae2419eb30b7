#include "ctl/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "ctl/place.h"
#include "scanout/dbus_names.h"

#define START "Type: systemctl enable --now scanoutd"
#define LOOK "Type: systemctl status scanoutd; journalctl -b -u scanoutd"

/* First match wins; a name that ends in a dot matches all below it. */
static const struct {
	const char *name;
	struct failure failure;
} failures[] = {
	{SCANOUT_ERROR, {CTL_REFUSED, NULL, NULL}},
	{SD_BUS_ERROR_ACCESS_DENIED,
		{CTL_REFUSED, NULL,
			"The bus lets only root and the group 'scanout' talk to scanoutd. "
			"Type: sudo usermod -aG scanout \"$USER\", then log in again"}},
	{SD_BUS_ERROR_SERVICE_UNKNOWN,
		{CTL_UNREACHABLE, NULL,
			"scanoutd does not run and D-Bus does not know how to start it. " START}},
	{SD_BUS_ERROR_NAME_HAS_NO_OWNER, {CTL_UNREACHABLE, NULL, "scanoutd does not run. " START}},
	{SD_BUS_ERROR_NO_REPLY, {CTL_UNREACHABLE, NULL, "scanoutd did not answer. " LOOK}},
	{SD_BUS_ERROR_TIMEOUT, {CTL_UNREACHABLE, "NoReply", "scanoutd did not answer. " LOOK}},
	{"org.freedesktop.DBus.Error.TimedOut",
		{CTL_UNREACHABLE, "NoReply", "scanoutd did not start. " LOOK}},
	{"org.freedesktop.DBus.Error.Spawn.",
		{CTL_UNREACHABLE, NULL, "scanoutd could not be started. " LOOK}},
	{"org.freedesktop.systemd1.",
		{CTL_UNREACHABLE, NULL, "systemd could not start scanoutd. " LOOK}},
	{SD_BUS_ERROR_DISCONNECTED,
		{CTL_UNREACHABLE, NULL,
			"The bus closed the connection. Type: systemctl status dbus"}},
	{"System.Error.",
		{CTL_UNREACHABLE, NULL, "The bus cannot be used. Type: systemctl status dbus"}},
	{SD_BUS_ERROR_UNKNOWN_METHOD, {CTL_REFUSED, NULL,
					      "scanoutd and scanoutctl are of different versions. "
					      "Type: systemctl restart scanoutd"}},
	{SD_BUS_ERROR_UNKNOWN_OBJECT,
		{CTL_REFUSED, NULL, "The owner of the bus name is not a scanoutd. " LOOK}},
};

static bool matches(const char *pattern, const char *name) {
	size_t length = strlen(pattern);
	return pattern[length - 1] == '.' ? strncmp(pattern, name, length) == 0
					  : strcmp(pattern, name) == 0;
}

struct failure report_classify(const sd_bus_error *error) {
	struct failure failure = {CTL_REFUSED, NULL, NULL};
	const char *name = error->name ? error->name : SD_BUS_ERROR_DISCONNECTED;
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		if (matches(failures[i].name, name)) {
			failure = failures[i].failure;
			break;
		}
	}
	if (!failure.name) {
		const char *dot = strrchr(name, '.');
		failure.name = dot && dot[1] ? dot + 1 : name;
	}
	return failure;
}

static void print_failure(struct ctl *ctl, const char *name, const char *format, va_list args) {
	AUTO_FREE char *text = NULL;
	if (vasprintf(&text, format, args) < 0) {
		text = NULL;
	}
	const char *message = text ? text : "";
	fflush(stdout);
	if (!ctl->json) {
		fprintf(stderr, "scanoutctl: %s%s%s\n", name ? name : "", name ? ": " : "",
			message);
		return;
	}
	AUTO_JSON cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "error", name ? name : "Usage");
	cJSON_AddStringToObject(object, "message", message);
	AUTO_JSON_TEXT char *line = cJSON_PrintUnformatted(object);
	fprintf(stderr, "%s\n", line ? line : "{\"error\":\"NoMemory\",\"message\":\"\"}");
}

int report(struct ctl *ctl, int code, const char *name, const char *format, ...) {
	va_list args;
	va_start(args, format);
	print_failure(ctl, name, format, args);
	va_end(args);
	return code;
}

int report_usage(struct ctl *ctl, const char *format, ...) {
	va_list args;
	va_start(args, format);
	print_failure(ctl, NULL, format, args);
	va_end(args);
	if (ctl->json) {
		return CTL_USAGE;
	}
	if (ctl->command) {
		fprintf(stderr, "Usage: scanoutctl %s %s\n", ctl->command->name,
			ctl->command->arguments);
	} else {
		fprintf(stderr, "Type: scanoutctl --help\n");
	}
	return CTL_USAGE;
}

/* On a bus that a container has to itself, what helps in the VM does not. */
static const char *advise(const struct ctl *ctl, const struct failure *failure) {
	const char *elsewhere = NULL;
	if (!ctl->address && (strcmp(failure->name, "ServiceUnknown") == 0 ||
				     strcmp(failure->name, "NameHasNoOwner") == 0)) {
		elsewhere = place_advise();
	}
	return elsewhere ? elsewhere : failure->advice;
}

int report_call(struct ctl *ctl, const sd_bus_error *error, int r) {
	AUTO_BUS_ERROR sd_bus_error local = SD_BUS_ERROR_NULL;
	if (!error->name) {
		sd_bus_error_set_errno(&local, r);
		error = &local;
	}
	struct failure failure = report_classify(error);
	const char *message = error->message ? error->message : "";
	const char *advice = advise(ctl, &failure);
	if (!advice) {
		return report(ctl, failure.code, failure.name, "%s", message);
	}
	return report(ctl, failure.code, failure.name, "%s (%s)", advice, message);
}

int report_bad_reply(struct ctl *ctl, const char *what, int r) {
	return report(ctl, CTL_UNREACHABLE, "BadReply",
		"The answer of scanoutd to '%s' cannot be understood (%s): another version? "
		"Type: systemctl restart scanoutd; scanoutctl doctor",
		what, strerror(-r));
}

int report_no_memory(struct ctl *ctl) {
	return report(ctl, CTL_UNREACHABLE, "NoMemory", "Out of memory. Free some and try again.");
}
