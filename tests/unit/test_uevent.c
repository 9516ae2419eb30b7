/* The kernel's datagrams, and those that only look like one. */
#include "support.h"

#include <errno.h>
#include <string.h>

#include "daemon/kms/uevent.h"

#define DATAGRAM(text) (text "\0"), sizeof(text "\0") - 1

static void assert_event(const char *datagram, size_t size, enum card_event_type type) {
	struct card_event event = {0};
	assert_true(uevent_parse(datagram, size, &event));
	assert_int_equal(event.type, type);
	assert_string_equal(event.device, "/dev/dri/card0");
}

static void assert_none(const char *datagram, size_t size) {
	struct card_event event;
	/* A copy of the exact size: the sanitizer sees any read beyond it. */
	char *copy = test_malloc(size + 1);
	char *exact = copy + 1;
	memcpy(exact, datagram, size);
	assert_false(uevent_parse(exact, size, &event));
	test_free(copy);
}

#define CARD0 "SUBSYSTEM=drm\0DEVNAME=dri/card0\0DEVTYPE=drm_minor\0"

static void each_kind(void **state) {
	assert_event(
		DATAGRAM("change@/devices/x/drm/card0\0ACTION=change\0" CARD0 "LEASE=1\0SEQNUM=9"),
		CARD_EVENT_LEASE);
	assert_event(DATAGRAM("change@/x\0ACTION=change\0" CARD0 "HOTPLUG=1"), CARD_EVENT_HOTPLUG);
	assert_event(DATAGRAM("change@/x\0ACTION=change\0" CARD0 "HOTPLUG=1\0CONNECTOR=36"),
		CARD_EVENT_HOTPLUG);
	assert_event(DATAGRAM("add@/x\0ACTION=add\0" CARD0 "SEQNUM=1"), CARD_EVENT_ADDED);
	assert_event(DATAGRAM("remove@/x\0ACTION=remove\0" CARD0 "SEQNUM=1"), CARD_EVENT_REMOVED);
	assert_event(DATAGRAM("bind@/x\0ACTION=bind\0" CARD0 "SEQNUM=1"), CARD_EVENT_OTHER);
}

static void order_does_not_matter(void **state) {
	assert_event(DATAGRAM("x\0LEASE=1\0DEVNAME=dri/card0\0SUBSYSTEM=drm\0ACTION=change"),
		CARD_EVENT_LEASE);
}

static void other_devices_are_not_ours(void **state) {
	assert_none(DATAGRAM("add@/x\0ACTION=add\0SUBSYSTEM=block\0DEVNAME=vda"));
	assert_none(DATAGRAM("add@/x\0ACTION=add\0SUBSYSTEM=drm\0DEVNAME=dri/renderD128"));
	/* A connector has no node of its own. */
	assert_none(DATAGRAM("add@/x\0ACTION=add\0SUBSYSTEM=drm\0DEVPATH=/x/card0-Virtual-1"));
	assert_none(DATAGRAM("change@/x\0ACTION=change\0SUBSYSTEM=drm\0LEASE=1"));
	assert_none(DATAGRAM("change@/x\0SUBSYSTEM=drm\0DEVNAME=dri/card0\0LEASE=1"));
	assert_none(DATAGRAM("x\0ACTION=change\0XSUBSYSTEM=drm\0DEVNAME=dri/card0"));
	assert_none(DATAGRAM("x\0ACTION=change\0SUBSYSTEM=drmx\0DEVNAME=dri/card0"));
}

static void garbage_is_refused(void **state) {
	assert_none("", 0);
	assert_none("\0", 1);
	assert_none("\0\0\0\0", 4);
	assert_none("SUBSYSTEM", 10);
	assert_none("SUBSYSTEM=", 11);
	/* The last value has no end. */
	assert_none("ACTION=add\0SUBSYSTEM=drm\0DEVNAME=dri/card0", 42);
	char noise[512];
	for (size_t i = 0; i < sizeof(noise); i++) {
		noise[i] = (char)(i * 37 + 11);
	}
	for (size_t size = 0; size <= sizeof(noise); size++) {
		assert_none(noise, size);
	}
}

static void long_names_are_cut_not_overrun(void **state) {
	char datagram[512] = "x\0ACTION=add\0SUBSYSTEM=drm\0DEVNAME=dri/card";
	size_t length = 43;
	struct card_event event;
	assert_string_equal(datagram + 27, "DEVNAME=dri/card"); // the offset is right
	memset(datagram + length, '1', 400);
	assert_true(uevent_parse(datagram, length + 401, &event));
	assert_true(strlen(event.device) < sizeof(event.device));
}

static void socket_has_nothing_at_first(void **state) {
	struct card_event event;
	int fd = uevent_open();
	if (fd == -EAFNOSUPPORT || fd == -EPROTONOSUPPORT) {
		skip(); // no netlink in this sandbox
	}
	assert_true(fd >= 0);
	assert_int_equal(uevent_read(fd, &event), 0);
	close(fd);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(other_devices_are_not_ours),
		cmocka_unit_test(garbage_is_refused),
		cmocka_unit_test(long_names_are_cut_not_overrun),
		cmocka_unit_test(socket_has_nothing_at_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
