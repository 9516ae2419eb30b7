#include "host/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

static void print_failure(struct host *host, const char *name, const char *message) {
	fflush(stdout);
	if (!host->json) {
		fprintf(stderr, "scanout-host: %s%s%s\n", name ? name : "", name ? ": " : "",
			message);
		return;
	}
	AUTO_JSON cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "error", name ? name : "Usage");
	cJSON_AddStringToObject(object, "message", message);
	AUTO_JSON_TEXT char *text = cJSON_PrintUnformatted(object);
	fprintf(stderr, "%s\n", text ? text : "{\"error\":\"NoMemory\",\"message\":\"\"}");
}

static void print_formatted(struct host *host, const char *name, const char *format, va_list args) {
	AUTO_FREE char *message = NULL;
	if (vasprintf(&message, format, args) < 0) {
		message = NULL;
	}
	print_failure(host, name, message ? message : "");
}

int report(struct host *host, int code, const char *name, const char *format, ...) {
	va_list args;
	va_start(args, format);
	print_formatted(host, name, format, args);
	va_end(args);
	return code;
}

int report_usage(struct host *host, const char *format, ...) {
	va_list args;
	va_start(args, format);
	print_formatted(host, NULL, format, args);
	va_end(args);
	if (!host->json && host->command) {
		fprintf(stderr, "Usage: scanout-host %s %s\n", host->command->name,
			host->command->arguments);
	} else if (!host->json) {
		fprintf(stderr, "Type: scanout-host --help\n");
	}
	return HOST_USAGE;
}

int report_errno(struct host *host, int r) {
	return report(
		host, HOST_FAILED, "System", "This machine lacks something: %s.", strerror(-r));
}
