/*
 * scanoutd on fake cards, for tests on a private bus. SCANOUTD_FAKE says which: the numbers of
 * outputs of card0, card1, … ("16", "4,2"), nothing for no card at all. "busy" in the place of a
 * number is a card whose master is somebody else, "vga" one of another driver. By
 * /dev/dri/by-path/N-card they can be found as well. SCANOUTD_FAKE_LOG is a record in the kernel's
 * log. SCANOUTD_STARVE is the number of a shared file for starve_obey(), SCANOUTD_FAKE_CLOCK
 * "stopped" or "hurried", see fake_clock.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/scanoutd.h"
#include "fake_card.h"
#include "fake_clock.h"
#include "starve.h"

static void add_cards(char *text) {
	char device[64];
	unsigned n = 0;
	for (char *word = strtok(text, ","); word; word = strtok(NULL, ",")) {
		struct card_snapshot topology = fake_topology_virtio((unsigned)atoi(word));
		if (strcmp(word, "busy") == 0) {
			topology = fake_topology_virtio(1);
			fake_fail(FAKE_OPEN, n, 1, -EBUSY);
		}
		if (strcmp(word, "vga") == 0) {
			topology = fake_topology_virtio(1);
		}
		snprintf(device, sizeof(device), "/dev/dri/card%u", n);
		struct fake_card *card = fake_card_add(device, &topology);
		if (strcmp(word, "vga") == 0) {
			fake_card_set_driver(card, "bochs-drm");
		}
		snprintf(device, sizeof(device), "/dev/dri/by-path/%u-card", n++);
		fake_card_set_link(card, device);
	}
}

int main(int argc, char *argv[]) {
	char text[128];
	const char *cards = getenv("SCANOUTD_FAKE"), *hunger = getenv("SCANOUTD_STARVE"),
		   *log = getenv("SCANOUTD_FAKE_LOG"), *clock = getenv("SCANOUTD_FAKE_CLOCK");
	snprintf(text, sizeof(text), "%s", cards ? cards : "");
	fake_init();
	add_cards(text);
	if (log) {
		fake_log(log);
	}
	if (clock && strcmp(clock, "stopped") == 0) {
		clock_stop();
	} else if (clock && strcmp(clock, "hurried") == 0) {
		clock_hurry();
	}
	if (hunger) {
		starve_obey(starve_share(atoi(hunger)));
		close(atoi(hunger));
	}
	int status = scanoutd_run(argc, argv, &fake_card_ops);
	unsigned n_wrong = fake_n_seen() + fake_n_torn();
	if (n_wrong > 0) {
		fprintf(stderr, "scanoutd-fake: %u pictures seen or torn\n", n_wrong);
		status = 2;
	}
	fake_finish();
	return status;
}
