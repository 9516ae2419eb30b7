/* Prints one line for each event, as text or as a JSON object. */
#ifndef SCANOUT_CTL_EVENT_H
#define SCANOUT_CTL_EVENT_H

#include <stdbool.h>
#include <systemd/sd-bus.h>

/*
 * Prints a signal of scanoutd, or about its bus name; ignores unknown signals. -EIO if the line
 * could not be written, another errno for a malformed signal.
 */
int event_print(sd_bus_message *m, bool json);

/* Prints that no later event will be missed. */
int event_print_watching(bool running, bool json);

#endif
