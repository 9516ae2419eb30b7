/* What the configuration selects: the cards of Devices= and the scanouts of Exclude=. */
#ifndef SCANOUTD_SELECTION_H
#define SCANOUTD_SELECTION_H

#include <stdbool.h>

struct manager;

/* Whether Devices= means this card; "auto" means those of virtio-gpu. 1, 0, or a negative errno if
 * that cannot be told just now. */
int selection_has_card(const struct manager *manager, const char *device);
/* Whether Devices= lists a link that leads nowhere now: udev makes it when the card comes. */
bool selection_waits_for_link(const struct manager *manager);
/* Says which cards "auto" leaves alone, of those that are there. */
void selection_log_unused(const struct manager *manager);

/* Tells a sentence about each setting that selects nothing. */
void selection_check(
	const struct manager *manager, void (*tell)(void *data, const char *text), void *data);

#endif
