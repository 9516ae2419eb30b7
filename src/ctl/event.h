/* One line for each thing that happens, as text or as a JSON object. */
#ifndef SCANOUT_CTL_EVENT_H
#define SCANOUT_CTL_EVENT_H

#include <stdbool.h>
#include <systemd/sd-bus.h>

/*
 * Prints a signal of scanoutd or of its name on the bus; signals that are not known are passed
 * over. -EIO if the line could not be written, another errno for a malformed signal.
 */
int event_print(sd_bus_message *m, bool json);

/* Prints that the subscription is in place. */
int event_print_watching(bool running, bool json);

#endif
