/* Many callers at once, each of which is killed at a moment of its own. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "probe.h"
#include "report.h"

#define N_CALLERS 8
/* What the longest of their lives is at first. */
#define LIFE_USEC 200000
#define GUEST_ADDRESS "unix:path=/run/scanoutd/guest/bus"

/* How far a caller had come when it was killed. */
enum phase {
	PHASE_CONNECTING,
	PHASE_ASKED,
	PHASE_UNREAD, // the answer is there and is never read
	PHASE_REFUSED,
	PHASE_HOLDING,
	PHASE_SHOWING,
	N_PHASES,
};

static const char *const phase_names[N_PHASES] = {
	"connecting", "asked", "unread", "refused", "holding", "showing"};

/* What a caller is going to do, drawn before it is started. */
struct plan {
	uint64_t life_usec;
	const char *scanout; // NULL: any
	char label[8];       // or empty
	bool guest, waits, reads, shows, takeover;
};

struct caller {
	pid_t pid;
	uint64_t killed_usec;         // when it is to be
	volatile sig_atomic_t *phase; // in memory that we share
};

static uint64_t draw(unsigned short state[3], uint64_t below) {
	return (uint64_t)nrand48(state) % below;
}

static struct plan make_plan(
	const struct probe *probe, uint64_t longest_usec, unsigned short state[3]) {
	struct plan plan = {
		.life_usec = draw(state, longest_usec),
		.guest = draw(state, 2),
		.waits = draw(state, 2),
		.reads = draw(state, 4) != 0,
		.shows = draw(state, 8) == 0,
	};

	if (probe->n_scanouts > 0 && draw(state, 2)) {
		plan.scanout = probe->scanouts[draw(state, probe->n_scanouts)];
	} else if (draw(state, 2)) {
		snprintf(plan.label, sizeof(plan.label), "l%u", (unsigned int)draw(state, 8));
		plan.takeover = draw(state, 2);
	}
	return plan;
}

static void ask_and_read(const struct probe *probe, const struct plan *plan, sd_bus *bus,
	const struct lease_wish *wish, volatile sig_atomic_t *phase) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	struct probe_output output;

	*phase = PHASE_ASKED;
	if (lease_request(bus, wish, &error, &output.lease) < 0) {
		*phase = PHASE_REFUSED;
		return;
	}
	*phase = PHASE_HOLDING;
	if (plan->shows && kms_init(&output.kms, output.lease.fd, NULL) >= 0 &&
		probe_show(probe, &output) >= 0) {
		*phase = PHASE_SHOWING;
	}
	pause(); // the bus and the lease are open
}

static void live(const struct probe *probe, const struct plan *plan, volatile sig_atomic_t *phase) {
	const struct lease_wish wish = {.scanout = plan->scanout,
		.label = plan->label[0] != '\0' ? plan->label : NULL,
		.takeover = plan->takeover,
		.timeout_usec = plan->waits ? 10 * plan->life_usec : 0};
	sd_bus *bus = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (plan->guest) {
		setenv("DBUS_SYSTEM_BUS_ADDRESS", GUEST_ADDRESS, 1);
	}
	if (sd_bus_open_system(&bus) >= 0) {
		if (plan->reads) {
			ask_and_read(probe, plan, bus, &wish, phase);
		} else {
			*phase = PHASE_ASKED;
			*phase = probe_ask_unread(bus, &wish) < 0 ? PHASE_ASKED : PHASE_UNREAD;
		}
	}
	for (;;) {
		pause();
	}
}

static int start_caller(const struct probe *probe, uint64_t longest_usec, unsigned short state[3],
	struct caller *caller) {
	const struct plan plan = make_plan(probe, longest_usec, state);

	*caller->phase = PHASE_CONNECTING;
	caller->pid = fork();
	if (caller->pid < 0) {
		return -errno;
	}
	if (caller->pid == 0) {
		live(probe, &plan, caller->phase);
	}
	caller->killed_usec = report_now_usec() + plan.life_usec;
	return 0;
}

static struct caller *next_to_die(struct caller *callers) {
	struct caller *next = NULL;

	for (size_t i = 0; i < N_CALLERS; i++) {
		if (callers[i].pid > 0 &&
			(next == NULL || callers[i].killed_usec < next->killed_usec)) {
			next = &callers[i];
		}
	}
	return next;
}

/* Waits for its moment, kills it, and returns how far it had come. */
static enum phase end_caller(struct caller *caller) {
	const uint64_t now = report_now_usec();

	if (caller->killed_usec > now) {
		usleep((useconds_t)(caller->killed_usec - now));
	}
	kill(caller->pid, SIGKILL);
	waitpid(caller->pid, NULL, 0);
	caller->pid = 0;
	return (enum phase) * caller->phase;
}

/* However fast the machine is, about half of them are to have their answer when they are killed. */
static uint64_t adapt(uint64_t longest_usec, enum phase reached) {
	const uint64_t step = longest_usec / 16;

	return reached < PHASE_UNREAD ? longest_usec + step : longest_usec - step;
}

int probe_kill_storm(const struct probe *probe) {
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	/* As srand48() makes it of a seed. */
	unsigned short state[3] = {
		0x330E, (unsigned short)probe->seed, (unsigned short)(probe->seed >> 16)};
	struct caller callers[N_CALLERS] = {0};
	unsigned int killed[N_PHASES] = {0};
	const uint64_t start = report_now_usec();
	uint64_t begun = 0, longest_usec = LIFE_USEC;
	struct caller *next;
	int r = 0;

	sig_atomic_t *phases = mmap(NULL, N_CALLERS * sizeof(*phases), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (phases == MAP_FAILED) {
		return probe_failed(-errno, "share memory");
	}
	for (; begun < N_CALLERS && begun < probe->number && r >= 0; begun++) {
		callers[begun].phase = &phases[begun];
		r = start_caller(probe, longest_usec, state, &callers[begun]);
	}
	while ((next = next_to_die(callers)) != NULL) {
		const enum phase reached = end_caller(next);

		killed[reached]++;
		longest_usec = adapt(longest_usec, reached);
		if (r >= 0 && begun < probe->number) {
			r = start_caller(probe, longest_usec, state, next);
			begun++;
		}
	}
	if (r < 0) {
		return probe_failed(r, "start a caller");
	}
	cJSON_AddNumberToObject(json, "seed", (double)probe->seed);
	cJSON_AddNumberToObject(json, "count", (double)begun);
	cJSON_AddNumberToObject(json, "seconds", (double)(report_now_usec() - start) / 1e6);
	for (size_t i = 0; i < N_PHASES; i++) {
		cJSON_AddNumberToObject(json, phase_names[i], killed[i]);
	}
	report_line(json);
	return 0;
}
