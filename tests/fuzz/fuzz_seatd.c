/* What a client may say to the seatd socket. The first byte chooses the dialect and a pause. */
#undef NDEBUG
#include <assert.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "seat/seatd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct harness harness;
	struct seatd *seatd;
	int first[2], second[2];

	if (size < 1) {
		return 0;
	}
	harness_init(&harness);
	enum seatd_dialect dialect = data[0] & 8   ? SEATD_DIALECT_UNKNOWN
				     : data[0] & 1 ? SEATD_DIALECT_0_7
						   : SEATD_DIALECT_0_9;
	assert(seatd_create(&seatd, harness.event, harness.seat, dialect) >= 0);
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, first) == 0);
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, second) == 0);
	assert(seatd_adopt(seatd, first[0]) >= 0 && seatd_adopt(seatd, second[0]) >= 0);

	size_t half = data[0] & 2 ? size / 2 : size;
	size_t part = half > 1 ? half - 1 : 0;
	assert(send(first[1], data + 1, part, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)part ||
		part == 0);
	harness_run(&harness);
	if (data[0] & 4) {
		seat_pause(harness.seat);
		harness_run(&harness);
	}
	harness_feed(&harness, second[1], data + 1, size - 1);
	seat_resume(harness.seat);
	harness_feed(&harness, first[1], data + 1 + part, size - 1 - part);

	seatd_destroy(seatd);
	close(first[1]);
	close(second[1]);
	harness_finish(&harness);
	return 0;
}
