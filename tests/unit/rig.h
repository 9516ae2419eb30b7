/* A manager with its monitor on fake cards, a real event loop, and requests that note answers. */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include "daemon/core/manager.h"
#include "fake_card.h"
#include "fake_clock.h"
#include "support.h"

#define RIG_MAX_ANSWERS 64

/* What became of a request. Owns the fds until answer_close(). */
struct answer {
	unsigned n; // 0: waits; never more than 1
	enum refusal_code code;
	char message[320];
	char id[64];
	uint32_t lessee;
	uint64_t generation;
	struct card_objects objects;
	int fd, spare_fd;
	struct waiter *waiter;
};

struct rig {
	sd_event *event;
	struct manager manager;
	struct monitor *monitor;
	struct fake_card *card; // the first one
	struct answer answers[RIG_MAX_ANSWERS];
	unsigned n_answers;
	unsigned n_fds;  // of the process, at the start
	char *directory; // of leases.json, or NULL

	/* What the manager told. */
	unsigned n_added, n_removed, n_changed, n_leased, n_paused, n_prepared, n_ended;
	enum lease_end_reason last_reason;
	char last_ended[64];
};

/* Without a card; `exclude` may be NULL. Until its end time stands still, see fake_clock.h. */
struct rig *rig_new(bool force_connect, const char *exclude);
/* The same with /dev/dri/card0, prepared. */
struct rig *rig_with_card(const struct card_snapshot *topology);
/* Ends it: nothing may be left open, no picture seen by a stranger, none torn. */
void rig_destroy(struct rig *rig);
/* As cmocka's setup and teardown: four outputs of virtio-gpu. */
int rig_setup(void **state);
int rig_teardown(void **state);

/* Plugs a card in, opens it and lets it be prepared. */
struct fake_card *rig_add_card(
	struct rig *rig, const char *device, const struct card_snapshot *topology);
/* Reloads with `exclude`, a list of ids or NULL. */
void rig_reload(struct rig *rig, const char *exclude);

/* From now on the table is saved, for rig_restart(). */
void rig_keep_state(struct rig *rig);
/*
 * The daemon is gone, without a word, and the next one takes the card from the store; if it cannot
 * at once, systemd starts another one. Returns when the card is looked at.
 */
void rig_restart(struct rig *rig);
/* Until nothing is under way any more. What is to be tried again later is tried at once. */
void rig_settle(struct rig *rig);

struct scanout *rig_scanout(struct rig *rig, const char *id);
enum scanout_state rig_state(struct rig *rig, const char *id);
/* Whether nothing is leased and everything is free again. */
bool rig_all_free(struct rig *rig);

struct answer *rig_ask(struct rig *rig, const struct identity *identity, const struct wish *wish);
/* ask(rig, &identity, .label = "desk", .timeout_usec = 1000) */
#define ask(rig, identity, ...) rig_ask(rig, identity, &(struct wish){__VA_ARGS__})
/* Asks and asserts that it is granted at once. */
struct answer *rig_get(struct rig *rig, const struct identity *identity, const char *scanout);

enum refusal_code rig_release(struct rig *rig, const struct identity *identity, const char *id);

/* `as`, asking from a process of its own, which lives until end_asker(). */
struct identity spawn_asker(const struct identity *as);
void end_asker(const struct identity *asker);

/* The holder closes its copy. */
void answer_close(struct answer *answer);
/* Whether the request was refused with this D-Bus error name. */
void assert_refused(const struct answer *answer, const char *error_name);
void assert_granted(const struct answer *answer, const char *scanout);

extern const struct identity root, user, stranger, container_a, container_b;

#endif
