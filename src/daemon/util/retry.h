/* What failed and may work a while later: one timer, made before it is needed. */
#ifndef SCANOUTD_RETRY_H
#define SCANOUTD_RETRY_H

#include <stdbool.h>
#include <systemd/sd-event.h>

struct retry {
	sd_event_source *timer;
	void (*again)(void *data);
	void *data;
};

/* `again` is called once after each retry_later(), or several of them. */
int retry_init(struct retry *retry, sd_event *event, void (*again)(void *data), void *data);
void retry_finish(struct retry *retry);

void retry_later(struct retry *retry);

/* Whether an error says something about this moment, not about the thing that was tried. */
bool retry_helps(int error);

#endif
