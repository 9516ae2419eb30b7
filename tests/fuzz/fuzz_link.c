/*
 * What a VM, or a host, may send over the port: cut into lines, read, and kept as tenants. What was
 * read can be said again in the same words.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "host/tenants.h"
#include "wire/lines.h"

static void check_text(const char *text) {
	for (; *text; text++) {
		assert(*text >= ' ' && *text <= '~');
	}
}

static void check(const struct tenant *tenant) {
	check_text(tenant->scanout);
	check_text(tenant->device);
	check_text(tenant->container);
	assert(*tenant->scanout && !strpbrk(tenant->scanout, "/\"'$` "));
	assert(message_label_is_right(tenant->label) && !strpbrk(tenant->label, "/\"'$` "));
	assert(tenant->head <= MESSAGE_MAX_HEAD);
}

static void repeat(const struct message *message) {
	char line[LINES_MAX], again[LINES_MAX];
	struct message same;
	const char *wrong;
	int n = message_print(message, line, sizeof(line));
	assert(n > 0 && line[n - 1] == '\n');
	line[n - 1] = '\0';
	assert(message_read(line, &same, &wrong) == 0 && same.type == message->type);
	assert(message_print(&same, again, sizeof(again)) == n);
	again[n - 1] = '\0';
	assert(strcmp(line, again) == 0);
}

static void handle_line(void *data, const char *line) {
	struct tenants *tenants = data;
	const struct tenant *found;
	struct message message;
	const char *wrong = NULL;
	assert(strlen(line) < LINES_MAX);
	int r = message_read(line, &message, &wrong);
	if (r < 0) {
		assert(r == -EBADMSG && wrong);
		return;
	}
	if (message.type != MESSAGE_UNKNOWN) {
		repeat(&message);
	}
	if (message.type == MESSAGE_GRANT) {
		check(&message.grant);
		r = tenants_grant(tenants, &message.grant);
		assert(r == 0 || (r == -EXFULL && tenants->n == TENANTS_MAX));
		assert(r < 0 || tenants_find(tenants, message.grant.scanout, &found) == 0);
		(void)tenants_find(tenants, message.grant.label, &found);
		assert(r < 0 || tenants_of_head(tenants, message.grant.device, message.grant.head));
	} else if (message.type == MESSAGE_END) {
		tenants_end(tenants, message.end.scanout);
		r = tenants_find(tenants, message.end.scanout, &found);
		assert(r < 0 || strcmp(found->label, message.end.scanout) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct lines lines = {0};
	struct tenants tenants, others;
	tenants_init(&tenants);
	tenants_init(&others);
	lines_feed(&lines, (const char *)data, size / 2, handle_line, &tenants);
	lines_feed(&lines, (const char *)data + size / 2, size - size / 2, handle_line, &tenants);
	unsigned n = tenants.n;
	tenants_move(&tenants, &others);
	assert(others.n == n && tenants.n == 0);
	tenants_clear(&others);
	assert(others.n == 0);
	return 0;
}
