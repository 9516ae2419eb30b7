/* The lines between a VM and its host: what is read, what is refused, and what waits to be sent. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "link/address.h"
#include "support.h"
#include "wire/lines.h"
#include "wire/outbox.h"

#define GRANT(label, head)                                                                        \
	"{\"grant\":{\"scanout\":\"card0-Virtual-3\",\"device\":\"pci/0000/02.0\",\"head\":" head \
	",\"label\":\"" label "\",\"container\":\"c\",\"width\":1920,\"height\":1080}}"
#define HELLO "{\"hello\":{\"version\":1,\"program\":\"x\"}}"

static struct message read_line(const char *line) {
	struct message message;
	const char *wrong = NULL;
	if (message_read(line, &message, &wrong) != 0) {
		fail_msg("%s: %s", line, wrong);
	}
	return message;
}

static void all_types_go_through(void **state) {
	static const char *const lines[] = {
		HELLO "\n",
		GRANT("desk", "2") "\n",
		GRANT("", "1023") "\n",
		"{\"end\":{\"scanout\":\"card0-Virtual-3\",\"reason\":\"device-gone\"}}\n",
		"{\"ready\":{\"daemon\":true}}\n",
		"{\"ready\":{\"daemon\":false}}\n",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char line[LINES_MAX];
		struct message message = read_line(lines[i]);
		assert_int_equal(message_print(&message, line, sizeof(line)), strlen(lines[i]));
		assert_string_equal(line, lines[i]);
		assert_int_equal(message_print(&message, line, strlen(lines[i])), -ENOBUFS);
	}
	struct message grant = read_line(GRANT("desk", "2"));
	assert_string_equal(grant.grant.scanout, "card0-Virtual-3");
	assert_string_equal(grant.grant.device, "pci/0000/02.0");
	assert_int_equal(grant.grant.head, 2);
	assert_int_equal(grant.grant.height, 1080);
}

/* A later version may say more. */
static void what_is_new_is_passed_over(void **state) {
	assert_int_equal(read_line("{\"news\":{}}").type, MESSAGE_UNKNOWN);
	assert_int_equal(read_line("{}").type, MESSAGE_UNKNOWN);
	assert_int_equal(read_line("{\"ready\":{\"mood\":[1],\"daemon\":true}, \"x\":1}").type,
		MESSAGE_READY);
}

static void refused(void **state) {
	static const char *const lines[][2] = {
		{"", "JSON"},
		{"[]", "JSON"},
		{"5", "JSON"},
		{"{\"ready\":{\"daemon\":true}", "JSON"},
		{HELLO " x", "JSON"},
		{HELLO HELLO, "JSON"},
		{"{\"hello\":[]}", "version"},
		{"{\"hello\":{\"version\":-1,\"program\":\"x\"}}", "version"},
		{"{\"hello\":{\"version\":1.5,\"program\":\"x\"}}", "version"},
		{"{\"hello\":{\"version\":1e300,\"program\":\"x\"}}", "version"},
		{"{\"hello\":{\"version\":\"1\",\"program\":\"x\"}}", "version"},
		{"{\"hello\":{\"version\":1,\"program\":\"\\u001b[31m\"}}", "program"},
		{"{\"hello\":{\"version\":1,\"program\":\"\303\251\"}}", "program"},
		{"{\"ready\":{\"daemon\":1}}", "daemon"},
		{"{\"end\":{\"scanout\":\"\",\"reason\":\"\"}}", "scanout"},
		{"{\"end\":{\"scanout\":\"a/b\",\"reason\":\"\"}}", "scanout"},
		{"{\"end\":{\"scanout\":\"a\",\"reason\":\"A B\"}}", "reason"},
		{"{\"end\":{\"scanout\":\"a\"}}", "reason"},
		{GRANT("a/b", "2"), "label"},
		{GRANT("..", "2"), "label"},
		{GRANT(".", "2"), "label"},
		{GRANT("a b", "2"), "label"},
		{GRANT("a\\nb", "2"), "label"},
		{GRANT("a\\u0000b/", "2"), NULL}, // ends at the NUL, as C has it
		{GRANT("01234567890123456789012345678901234567890123456789012345678901234", "2"),
			"label"},
		{GRANT("desk", "1024"), "head"},
		{GRANT("desk", "true"), "head"},
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct message message;
		const char *wrong = NULL;
		int r = message_read(lines[i][0], &message, &wrong);
		if (r != (lines[i][1] ? -EBADMSG : 0) ||
			(lines[i][1] && strcmp(wrong, lines[i][1]) != 0)) {
			fail_msg("%s: %d, %s", lines[i][0], r, wrong);
		}
	}
}

/* Deeper than any stack. */
static void deep(void **state) {
	char line[LINES_MAX];
	struct message message;
	const char *wrong;
	memset(line, '[', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	assert_int_equal(message_read(line, &message, &wrong), -EBADMSG);
}

/* What is not to be told is not printed either. */
static void not_printed(void **state) {
	char line[LINES_MAX];
	struct message message = read_line(GRANT("desk", "2"));
	strcpy(message.grant.label, "a/b");
	assert_int_equal(message_print(&message, line, sizeof(line)), -EINVAL);
	message = read_line(GRANT("desk", "2"));
	message.grant.head = 5000;
	assert_int_equal(message_print(&message, line, sizeof(line)), -EINVAL);
}

/* All lines, each with a bar behind it. */
struct seen {
	char text[4 * OUTBOX_MAX];
	size_t used;
};

static void note_line(void *data, const char *line) {
	struct seen *seen = data;
	size_t size = strlen(line);
	assert_true(seen->used + size + 2 <= sizeof(seen->text));
	memcpy(seen->text + seen->used, line, size);
	memcpy(seen->text + seen->used + size, "|", 2);
	seen->used += size + 1;
}

static void feed(struct lines *lines, const char *text, struct seen *seen) {
	lines_feed(lines, text, strlen(text), note_line, seen);
}

static void lines_in_pieces(void **state) {
	AUTO_FREE struct seen *seen = calloc(1, sizeof(*seen));
	struct lines lines = {0};
	feed(&lines, "\n\none\ntw", seen);
	feed(&lines, "o", seen);
	assert_string_equal(seen->text, "one|");
	feed(&lines, "\nthree", seen);
	feed(&lines, "\n", seen);
	assert_string_equal(seen->text, "one|two|three|");
	lines_feed(&lines, "a\0b\nc\n", 6, note_line, seen);
	assert_string_equal(seen->text, "one|two|three|c|");
	assert_int_equal(lines.n_dropped, 1);
}

static void lines_without_end(void **state) {
	AUTO_FREE struct seen *seen = calloc(1, sizeof(*seen));
	struct lines lines = {0};
	char longest[LINES_MAX];
	memset(longest, 'x', sizeof(longest));
	longest[LINES_MAX - 1] = '\0';
	for (int i = 0; i < 300; i++) {
		feed(&lines, longest, seen);
	}
	feed(&lines, "\nshort\n", seen);
	assert_string_equal(seen->text, "short|");
	assert_int_equal(lines.n_dropped, 1);
	feed(&lines, longest, seen);
	feed(&lines, "\n", seen);
	assert_int_equal(seen->used, strlen("short|") + LINES_MAX);
}

/* A pipe that does not wait. */
static void open_pipe(int ends[2]) {
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
}

static void close_pipe(int ends[2]) {
	close(ends[0]);
	close(ends[1]);
}

static size_t empty_pipe(int fd, struct lines *lines, struct seen *seen) {
	char data[65536];
	size_t size = 0;
	for (ssize_t n; (n = read(fd, data, sizeof(data))) > 0; size += (size_t)n) {
		lines_feed(lines, data, (size_t)n, note_line, seen);
	}
	return size;
}

/* Until there is no room. */
static unsigned fill(struct outbox *outbox) {
	struct message grant = read_line(GRANT("desk", "2"));
	unsigned n = 0;
	int r;
	while ((r = outbox_add(outbox, &grant)) == 0) {
		n++;
	}
	assert_int_equal(r, -ENOBUFS);
	assert_in_range(outbox->used, OUTBOX_MAX - 1000, OUTBOX_MAX);
	return n;
}

static void send_all(struct outbox *outbox, int ends[2], struct lines *lines, struct seen *seen) {
	while (outbox_write(outbox, ends[1]) == 0) {
		empty_pipe(ends[0], lines, seen);
	}
	empty_pipe(ends[0], lines, seen);
	assert_int_equal(lines->used, 0);
	assert_int_equal(lines->n_dropped, 0);
	assert_null(outbox->data);
}

/* The rest of a line goes out after all else is dropped. */
static void a_full_one_drops_whole_lines(void **state) {
	AUTO_FREE struct seen *seen = calloc(1, sizeof(*seen));
	struct outbox outbox = {0};
	struct lines lines = {0};
	unsigned n = 0;
	int ends[2];
	open_pipe(ends);
	fill(&outbox);
	assert_int_equal(outbox_write(&outbox, ends[1]), 0);
	assert_int_not_equal(outbox.data[outbox.sent - 1], '\n');
	outbox_drop(&outbox);
	assert_int_equal(outbox_add_hello(&outbox, "x"), 0);
	send_all(&outbox, ends, &lines, seen);
	for (char *line = strtok(seen->text, "|"); line; line = strtok(NULL, "|")) {
		enum message_type type = read_line(line).type;
		assert_int_equal(
			type, line[strlen(line) + 1] != '\0' ? MESSAGE_GRANT : MESSAGE_HELLO);
		n++;
	}
	assert_in_range(n, 100, 1000);
	close_pipe(ends);
}

/* A slow reader is no reason to drop: what it has taken makes room. */
static void room_comes_back(void **state) {
	AUTO_FREE struct seen *seen = calloc(1, sizeof(*seen));
	struct outbox outbox = {0};
	struct lines lines = {0};
	unsigned n = 0, n_read = 0;
	int ends[2];
	open_pipe(ends);
	for (int i = 0; i < 5; i++) {
		n += fill(&outbox);
		assert_int_equal(outbox_write(&outbox, ends[1]), 0);
		assert_true(empty_pipe(ends[0], &lines, seen) > 0);
	}
	send_all(&outbox, ends, &lines, seen);
	for (const char *line = seen->text; (line = strchr(line, '|')); line++) {
		n_read++;
	}
	assert_int_equal(n_read, n);
	close_pipe(ends);
}

static void cleared(void **state) {
	struct outbox outbox = {0};
	assert_int_equal(outbox_add_hello(&outbox, "x"), 0);
	outbox_drop(&outbox);
	assert_int_equal(outbox.used, 0);
	assert_int_equal(outbox_add_hello(&outbox, "x"), 0);
	outbox_clear(&outbox);
	int ends[2];
	open_pipe(ends);
	assert_int_equal(outbox_write(&outbox, ends[1]), 1);
	close(ends[0]);
	assert_int_equal(outbox_add_hello(&outbox, "x"), 0);
	assert_int_equal(outbox_write(&outbox, ends[1]), -EPIPE);
	outbox_clear(&outbox);
	close(ends[1]);
}

static void addresses(void **state) {
	static const char *const paths[][2] = {
		{"/sys/devices/pci0000:00/0000:00:02.0/virtio0", "pci/0000/02.0"},
		{"/sys/devices/pci0000:00/0000:00:02.0", "pci/0000/02.0"},
		{"/sys/devices/pci0000:00/0000:00:1e.0/0000:01:0a.1/virtio3", "pci/0000/1e.0/0a.1"},
		{"/sys/devices/pci00ab:80/00ab:80:00.7/virtio0", "pci/00ab/00.7"},
		{"/sys/devices/pci0000:00", ""},
		{"/sys/devices/pci0000:00/virtio0", ""},
		{"/sys/devices/platform/vkms", ""},
		{"/sys/devices/pci0000:00/0000:00:02.0x/virtio0", ""},
		{"", ""},
	};
	char address[64];
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		address_parse(paths[i][0], address, sizeof(address));
		assert_string_equal(address, paths[i][1]);
	}
	address_parse(paths[2][0], address, 16); // better none than half of one
	assert_string_equal(address, "");
	address_of_card("/dev/dri/card9999", address, sizeof(address));
	assert_string_equal(address, "");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_types_go_through),
		cmocka_unit_test(what_is_new_is_passed_over),
		cmocka_unit_test(refused),
		cmocka_unit_test(deep),
		cmocka_unit_test(not_printed),
		cmocka_unit_test(lines_in_pieces),
		cmocka_unit_test(lines_without_end),
		cmocka_unit_test(a_full_one_drops_whole_lines),
		cmocka_unit_test(room_comes_back),
		cmocka_unit_test(cleared),
		cmocka_unit_test(addresses),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
