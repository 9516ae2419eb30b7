/*
 * What a client may say to the mini bus once the handshake is over. The first byte chooses whether
 * Hello has been said and whether the seat pauses halfway.
 */
#undef NDEBUG
#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "seat/login1.h"

static const char handshake[] = "\0AUTH ANONYMOUS\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
static const char hello[] = "l\1\0\1\0\0\0\0\1\0\0\0\x6d\0\0\0"
			    "\1\1o\0\x15\0\0\0/org/freedesktop/DBus\0\0\0"
			    "\2\1s\0\x14\0\0\0org.freedesktop.DBus\0\0\0\0"
			    "\3\1s\0\5\0\0\0Hello\0\0\0"
			    "\6\1s\0\x14\0\0\0org.freedesktop.DBus\0\0\0";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct harness harness;
	struct login1 *login1;
	int ends[2];

	if (size < 1) {
		return 0;
	}
	harness_init(&harness);
	assert(login1_create(&login1, harness.event, harness.seat) >= 0);
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	assert(bus_adopt(login1->bus, ends[0]) >= 0);
	assert(send(ends[1], handshake, sizeof(handshake) - 1, MSG_NOSIGNAL) > 0);
	if (!(data[0] & 1)) {
		assert(send(ends[1], hello, sizeof(hello), MSG_NOSIGNAL) > 0);
	}
	harness_run(&harness);
	/* The prefix itself must be sound, or nothing behind it is tested. */
	assert(LIST_EMPTY(&login1->bus->clients) ||
		LIST_FIRST(&login1->bus->clients)->driver.said_hello == !(data[0] & 1));
	assert(!LIST_EMPTY(&login1->bus->clients));

	if (data[0] & 2) {
		size_t half = size / 2;
		(void)send(ends[1], data + 1, half, MSG_DONTWAIT | MSG_NOSIGNAL);
		data += half;
		size -= half;
		harness_run(&harness);
		seat_pause(harness.seat);
		harness_run(&harness);
		seat_resume(harness.seat);
	}
	harness_feed(&harness, ends[1], data + 1, size - 1);
	login1_destroy(login1);
	close(ends[1]);
	harness_finish(&harness);
	return 0;
}
