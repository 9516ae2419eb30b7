/* What a weston may say to its launcher. Packets are preceded by a byte with their size. */
#undef NDEBUG
#include <assert.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "seat/weston_launch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct harness harness;
	struct weston_launch *launch;
	int fd;

	harness_init(&harness);
	assert(weston_launch_create(&launch, harness.event, harness.seat, &fd) >= 0);
	while (size > 0) {
		size_t packet = data[0] < size ? data[0] : size - 1;
		if (send(fd, data + 1, packet, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			break;
		}
		if (data[0] == 7) {
			seat_pause(harness.seat);
		}
		harness_run(&harness);
		seat_resume(harness.seat);
		data += packet + 1;
		size -= packet + 1;
	}
	harness_run(&harness);
	weston_launch_destroy(launch);
	close(fd);
	harness_finish(&harness);
	return 0;
}
