/* What the VM tests look with: one program, one subcommand per question. */
#ifndef GUEST_PROBE_H
#define GUEST_PROBE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kms.h"
#include "lease.h"

#define PROBE_MAX_SCANOUTS 64

/* The command line. */
struct probe {
	const char *scanouts[PROBE_MAX_SCANOUTS];
	size_t n_scanouts;
	struct lease_wish wish;    // with the first of scanouts
	bool request;              // ask scanoutd even if a lease is inherited
	const char *card;          // NULL, or the card to be master of
	const char *connector;     // with card: which output
	const char *name;          // NULL, or draw a strip with its hash
	uint32_t width, height;    // 0: the output's choice
	uint32_t fill, fill_other; // of each of the two buffers
	bool has_other;
	bool atomic;         // commit, as the compositors of today do
	bool settle;         // let scanoutd finish one lease before the next is asked for
	uint64_t pause_usec; // of quiet before each timed call
	bool keep;           // exit only when told to, with the buffers in place until then
	uint64_t rate;       // of flips a second; 0: as fast as the events come
	bool await;          // once all is ready, begin when standard input ends
	uint32_t scan;       // also look at framebuffer ids up to this one
	uint64_t seed;       // of what is drawn by lot
	uint64_t number;     // the argument of a subcommand that takes one
};

/* An output to work on: a lease of it, or a card as its master. */
struct probe_output {
	struct lease lease; // only fd, id and index are set for a card
	struct kms kms;
};

/* Says why on stdout as JSON and on stderr, and returns r. */
int probe_failed(int r, const char *what);

/* A line of its own with the D-Bus error's name and message. Returns r. */
int probe_refused(int r, const sd_bus_error *error);

/* Gets the lease or card that the command line asks for. */
int probe_take(const struct probe *probe, struct probe_output *ret);

/* probe_take() and kms_init(). */
int probe_open(const struct probe *probe, struct probe_output *ret);

/* Lets everything that the last call set off come to rest. */
void probe_pause(const struct probe *probe);

/* Mode-sets the output, both buffers filled with the colour. */
int probe_show(const struct probe *probe, struct probe_output *output);

void probe_close(struct probe_output *output);

/* What is done on an output that shows a picture, until `stop_fd` is readable. */
typedef int (*probe_work_fn)(const struct probe *probe, struct probe_output *output, int stop_fd);
/* Opens and shows the output, lets that be done, and closes it. Returns what it returned. */
int probe_work(const struct probe *probe, probe_work_fn work);

/* Asks for a lease, and returns when the answer is there, unread. */
int probe_ask_unread(sd_bus *bus, const struct lease_wish *wish);

/* A JSON object that names the output: scanout, index, lessee, connector, crtc. */
cJSON *probe_describe(const struct probe_output *output);

int probe_objects(const struct probe *probe);
int probe_flip(const struct probe *probe);
int probe_flip_rate(const struct probe *probe);
int probe_flip_on(const struct probe *probe);
int probe_flip_turns(const struct probe *probe);
int probe_hold(const struct probe *probe);
int probe_sit(const struct probe *probe);
int probe_peek(const struct probe *probe);
int probe_errno_after_release(const struct probe *probe);
int probe_storm(const struct probe *probe);
int probe_rpc_latency(const struct probe *probe);
int probe_ioctl_latency(const struct probe *probe);
int probe_handoff(const struct probe *probe);
int probe_leave_in_flight(const struct probe *probe);
int probe_leave_unread(const struct probe *probe);
int probe_spread(const struct probe *probe);
int probe_send_away(const struct probe *probe);
int probe_map(const struct probe *probe);
int probe_kill_storm(const struct probe *probe);
int probe_wedge(const struct probe *probe);
int probe_hang(const struct probe *probe);
int probe_calls(const struct probe *probe);
int probe_attack(const struct probe *probe);

#endif
