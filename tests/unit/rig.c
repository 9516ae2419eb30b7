#include "rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "daemon/core/inventory.h"
#include "daemon/core/monitor.h"
#include "daemon/core/request.h"
#include "daemon/drain/linger.h"
#include "daemon/util/log.h"
#include "daemon/util/passed.h"
#include "daemon/util/string_list.h"
#include "starve.h"

const struct identity root = {.uid = 0, .pid = 1};
const struct identity user = {.uid = 1000, .pid = 2};
const struct identity stranger = {.uid = 1001, .pid = 3};
const struct identity container_a = {.uid = 0, .pid = 4, .engine = "podman", .container = "a"};
const struct identity container_b = {.uid = 0, .pid = 5, .engine = "podman", .container = "b"};

static void on_added(void *data, struct scanout *scanout) {
	struct rig *rig = data;
	rig->n_added++;
}

static void on_removed(void *data, struct scanout *scanout) {
	struct rig *rig = data;
	rig->n_removed++;
}

static void on_changed(void *data, struct scanout *scanout) {
	struct rig *rig = data;
	rig->n_changed++;
}

static void on_leased(void *data, struct lease *lease) {
	struct rig *rig = data;
	assert_int_equal(scanout_state(lease->scanout), SCANOUT_LEASED);
	rig->n_leased++;
}

static void on_ended(void *data, struct scanout *scanout, const struct identity *holder,
	enum lease_end_reason reason) {
	struct rig *rig = data;
	assert_null(scanout->lease);
	rig->n_ended++;
	rig->last_reason = reason;
	snprintf(rig->last_ended, sizeof(rig->last_ended), "%s", scanout->id);
}

static void on_paused(void *data) {
	struct rig *rig = data;
	rig->n_paused++;
}

static void on_prepared(void *data) {
	struct rig *rig = data;
	rig->n_prepared++;
}

static const struct manager_observer observer = {
	.added = on_added,
	.removed = on_removed,
	.changed = on_changed,
	.leased = on_leased,
	.ended = on_ended,
	.paused = on_paused,
	.prepared = on_prepared,
};

static struct config make_config(bool force_connect, const char *exclude) {
	struct config config = {
		.force_connect = force_connect,
		.default_width = 1024,
		.default_height = 768,
		.admin_gid = (gid_t)-1,
		.max_per_holder = 4,
		.max_linger_usec = UINT64_C(3600000000),
	};
	assert_int_equal(string_list_split(exclude ? exclude : "", &config.exclude), 0);
	return config;
}

struct rig *rig_new(bool force_connect, const char *exclude) {
	struct rig *rig = calloc(1, sizeof(*rig));
	struct config config = make_config(force_connect, exclude);
	log_set_max_level(getenv("SCANOUTD_TEST_LOG") ? LOG_DEBUG : -1);
	rig->n_fds = count_fds(getpid());
	fake_init();
	clock_stop();
	assert_int_equal(sd_event_new(&rig->event), 0);
	manager_init(&rig->manager, rig->event, &fake_card_ops, &config);
	rig->manager.observer = &observer;
	rig->manager.observer_data = rig;
	assert_int_equal(request_init(&rig->manager), 0);
	assert_int_equal(monitor_new(&rig->manager, &rig->monitor), 0);
	return rig;
}

struct fake_card *rig_add_card(
	struct rig *rig, const char *device, const struct card_snapshot *topology) {
	struct fake_card *card = fake_card_add(device, topology);
	assert_int_equal(inventory_add(&rig->manager, device), 0);
	run_until(rig->event, rig->manager.preparing == 0);
	run_pending(rig->event); // the queue is served
	return card;
}

struct rig *rig_with_card(const struct card_snapshot *topology) {
	struct rig *rig = rig_new(true, NULL);
	rig->card = rig_add_card(rig, "/dev/dri/card0", topology);
	return rig;
}

int rig_setup(void **state) {
	struct card_snapshot topology = fake_topology_virtio(4);
	*state = rig_with_card(&topology);
	return 0;
}

void rig_destroy(struct rig *rig) {
	assert_int_equal(fake_n_seen(), 0); // while the holders are still there
	for (enum fake_op op = 0; op < FAKE_N_OPS; op++) {
		fake_release(op);
	}
	fake_before(FAKE_CREATE, NULL, NULL);
	/* Workers of cards that went away end on the loop. */
	run_until(rig->event, rig->manager.closing == 0);
	monitor_destroy(rig->monitor);
	manager_finish(&rig->manager);
	for (unsigned i = 0; i < rig->n_answers; i++) {
		answer_close(&rig->answers[i]);
	}
	assert_int_equal(fake_n_seen(), 0);
	assert_int_equal(fake_n_torn(), 0);
	fake_finish();
	sd_event_unref(rig->event);
	clock_go_on();
	remove_directory(rig->directory);
	assert_int_equal(count_fds(getpid()), rig->n_fds);
	free(rig);
}

int rig_teardown(void **state) {
	rig_destroy(*state);
	return 0;
}

void rig_keep_state(struct rig *rig) {
	rig->directory = make_directory();
	state_init(&rig->manager.state, rig->directory);
}

static int start_again(struct rig *rig, int card_fd, const char *store_name) {
	starve_pause();
	struct config config = make_config(true, NULL);
	starve_resume();
	char *names[] = {(char *)store_name};
	int fds[] = {fcntl(card_fd, F_DUPFD_CLOEXEC, 3)};
	struct passed passed = {.names = names, .fds = fds, .n = 1};

	manager_init(&rig->manager, rig->event, &fake_card_ops, &config);
	rig->manager.observer = &observer;
	rig->manager.observer_data = rig;
	state_init(&rig->manager.state, rig->directory);
	rig->manager.leases.last_generation = rig->manager.state.table.last_generation;
	int r = request_init(&rig->manager);
	if (r >= 0) {
		r = monitor_new(&rig->manager, &rig->monitor);
	}
	if (r >= 0) {
		r = inventory_adopt(&rig->manager, &passed);
	}
	if (fds[0] >= 0) {
		close(fds[0]); // not taken
	}
	return r;
}

static void end(struct rig *rig) {
	monitor_destroy(rig->monitor);
	rig->monitor = NULL;
	manager_finish(&rig->manager);
}

void rig_restart(struct rig *rig) {
	const struct card *card = TAILQ_FIRST(&rig->manager.cards);
	int fd = fcntl(card->fd, F_DUPFD_CLOEXEC, 3); // systemd's
	char name[FDSTORE_NAME_MAX];
	unsigned n = 0;
	memcpy(name, card->store_name, sizeof(name));
	end(rig);
	while (start_again(rig, fd, name) < 0) {
		assert_true(++n < 3);
		end(rig);
	}
	rig_settle(rig);
	close(fd);
}

static bool is_settled(struct rig *rig) {
	const struct card *card;
	const struct scanout *scanout;
	if (rig->manager.closing > 0 ||
		sd_event_source_get_enabled(rig->manager.queue.source, NULL) > 0) {
		return false;
	}
	if (sd_event_source_get_enabled(rig->manager.retry.timer, NULL) > 0) {
		sd_event_source_set_time_relative(rig->manager.retry.timer, 0);
		return false;
	}
	TAILQ_FOREACH (card, &rig->manager.cards, link) {
		if (card->updating) {
			return false;
		}
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			if (scanout_state(scanout) == SCANOUT_STUCK || scanout->look ||
				(scanout_state(scanout) == SCANOUT_DRAINING &&
					!linger_is_on(scanout))) {
				return false;
			}
		}
	}
	return true;
}

void rig_settle(struct rig *rig) {
	run_pending(rig->event);
	run_until(rig->event, is_settled(rig));
	run_pending(rig->event);
}

void rig_reload(struct rig *rig, const char *exclude) {
	starve_pause();
	struct config config = make_config(rig->manager.config.force_connect, exclude);
	starve_resume();
	request_reconfigure(&rig->manager, &config);
}

struct scanout *rig_scanout(struct rig *rig, const char *id) {
	struct scanout *scanout = manager_find_scanout(&rig->manager, id);
	if (!scanout) {
		fail_msg("There is no %s", id);
	}
	return scanout;
}

enum scanout_state rig_state(struct rig *rig, const char *id) {
	return scanout_state(rig_scanout(rig, id));
}

bool rig_all_free(struct rig *rig) {
	unsigned total, n_free;
	manager_count(&rig->manager, &total, &n_free);
	return total == n_free && TAILQ_EMPTY(&rig->manager.leases.leases);
}

static void take(void *data, struct grant *grant, const struct refusal *refusal) {
	struct answer *answer = data;
	answer->n++;
	assert_int_equal(answer->n, 1);
	answer->waiter = NULL;
	if (!grant) {
		answer->code = refusal->code;
		memcpy(answer->message, refusal->message, sizeof(answer->message));
		return;
	}
	assert_ptr_equal(grant->lease->scanout, grant->scanout);
	assert_ptr_equal(grant->scanout->lease, grant->lease);
	snprintf(answer->id, sizeof(answer->id), "%s", grant->scanout->id);
	answer->lessee = grant->lease->lessee;
	answer->generation = grant->lease->generation;
	answer->objects = grant->scanout->objects;
	answer->fd = grant->fd;
	answer->spare_fd = grant->spare_fd;
}

struct answer *rig_ask(struct rig *rig, const struct identity *identity, const struct wish *wish) {
	assert_true(rig->n_answers < RIG_MAX_ANSWERS);
	struct answer *answer = &rig->answers[rig->n_answers++];
	*answer = (struct answer){.fd = -1, .spare_fd = -1};
	struct waiter *waiter = request_scanout(&rig->manager, wish, identity, take, answer);
	assert_int_equal(answer->n, waiter ? 0 : 1);
	answer->waiter = waiter;
	return answer;
}

struct answer *rig_get(struct rig *rig, const struct identity *identity, const char *scanout) {
	struct wish wish = {0};
	snprintf(wish.scanout, sizeof(wish.scanout), "%s", scanout ? scanout : "");
	struct answer *answer = rig_ask(rig, identity, &wish);
	assert_granted(answer, scanout);
	return answer;
}

enum refusal_code rig_release(struct rig *rig, const struct identity *identity, const char *id) {
	struct refusal refusal = {0};
	return request_release(&rig->manager, identity, id, &refusal);
}

struct identity spawn_asker(const struct identity *as) {
	struct identity asker = *as;
	asker.pid = fork();
	if (asker.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close_range(0, ~0u, 0); // the last copy of a lease must not be here
		pause();
		_exit(0);
	}
	assert_true(asker.pid > 0);
	return asker;
}

void end_asker(const struct identity *asker) {
	assert_int_equal(kill(asker->pid, SIGKILL), 0);
	wait_for_exit(asker->pid);
}

void answer_close(struct answer *answer) {
	if (answer->fd >= 0) {
		close(answer->fd);
	}
	if (answer->spare_fd >= 0) {
		close(answer->spare_fd);
	}
	answer->fd = answer->spare_fd = -1;
}

void assert_refused(const struct answer *answer, const char *error_name) {
	assert_int_equal(answer->n, 1);
	assert_int_not_equal(answer->code, REFUSAL_NONE);
	assert_string_equal(refusal_error_name(answer->code), error_name);
	assert_int_equal(answer->fd, -1);
	assert_true(strlen(answer->message) > 20);
}

void assert_granted(const struct answer *answer, const char *scanout) {
	if (answer->n != 1 || answer->code != REFUSAL_NONE) {
		fail_msg("%s is not granted: %s", scanout ? scanout : "A scanout",
			answer->n ? answer->message : "it waits");
	}
	assert_true(answer->fd >= 0);
	assert_true(answer->lessee > 0 && answer->generation > 0);
	if (scanout) {
		assert_string_equal(answer->id, scanout);
	}
}
