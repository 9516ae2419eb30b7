/*
 * scanoutd on fake cards, for tests on a private bus. SCANOUTD_FAKE says which: the numbers of
 * outputs of card0, card1, … ("16", "4,2"), nothing for no card at all. "busy" in the place of a
 * number is a card whose master is somebody else. SCANOUTD_STARVE is the number of a shared file
 * for starve_obey().
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_card.h"
#include "scanoutd.h"
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
		snprintf(device, sizeof(device), "/dev/dri/card%u", n++);
		fake_card_add(device, &topology);
	}
}

int main(int argc, char *argv[]) {
	char text[128];
	const char *cards = getenv("SCANOUTD_FAKE"), *hunger = getenv("SCANOUTD_STARVE");
	snprintf(text, sizeof(text), "%s", cards ? cards : "");
	fake_init();
	add_cards(text);
	if (hunger) {
		starve_obey(atoi(hunger));
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
