#include "relay.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "inventory.h"

static void on_replaced(void *data) {
	struct relay *relay = data;
	relay->n_replaced++;
}

int relay_setup(void **state) {
	struct relay *relay = calloc(1, sizeof(*relay));
	struct card_snapshot topology = fake_topology_virtio(4);
	struct config config = {.force_connect = true, .admin_gid = (gid_t)-1, .max_per_holder = 4};
	struct passed nothing = {0};
	/* With these it would take itself for a service, and not hand over. */
	unsetenv("NOTIFY_SOCKET");
	unsetenv("SYSTEMD_EXEC_PID");
	relay->rig = rig_with_card(&topology);
	relay->directory = make_directory();
	const struct handover_parts parts = {
		relay->rig->event, &relay->rig->manager, relay->rig->monitor, NULL};
	assert_int_equal(handover_listen(&parts, &nothing, relay->directory, on_replaced, relay,
				 &relay->handover),
		0);
	assert_int_equal(sd_event_new(&relay->event), 0);
	manager_init(&relay->next, relay->event, &fake_card_ops, &config);
	relay->successor.socket = -1;
	*state = relay;
	return 0;
}

int relay_teardown(void **state) {
	struct relay *relay = *state;
	manager_finish(&relay->next);
	passed_finish(&relay->passed);
	sd_event_unref(relay->event);
	handover_destroy(relay->handover);
	rig_destroy(relay->rig); // asserts that no fd is left
	remove_directory(relay->directory);
	free(relay);
	return 0;
}

bool is_readable(int fd) {
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, 0) == 1;
}

void relay_ask(struct relay *relay) {
	assert_int_equal(successor_ask(&relay->successor, relay->directory), 0);
}

int relay_receive(struct relay *relay) {
	run_until(relay->rig->event, is_readable(relay->successor.socket));
	return successor_receive(&relay->successor, &relay->passed, &relay->next);
}

void relay_adopt(struct relay *relay) {
	assert_int_equal(inventory_adopt(&relay->next, &relay->passed), 0);
	run_until(relay->event, relay->next.preparing == 0);
}

void relay_die(struct relay *relay) {
	passed_finish(&relay->passed);
	close(TAKE_FD(relay->successor.socket));
}

void assert_same_lease(struct relay *relay, const struct answer *answer, const char *label,
	const struct identity *holder) {
	struct scanout *scanout = manager_find_scanout(&relay->next, answer->id);
	assert_non_null(scanout);
	assert_int_equal(scanout->state, SCANOUT_LEASED);
	assert_int_equal(scanout->lease->lessee, answer->lessee);
	assert_int_equal(scanout->lease->generation, answer->generation);
	assert_string_equal(scanout->lease->label, label);
	assert_true(identity_same_holder(&scanout->lease->holder, holder));
	assert_memory_equal(&scanout->objects, &answer->objects, sizeof(answer->objects));
	struct pollfd p = {.fd = answer->fd};
	assert_int_equal(poll(&p, 1, 0), 0); // the fake hangs up with the end of a lease
}
