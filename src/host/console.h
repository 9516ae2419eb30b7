/* One head of a GPU, as QEMU describes it: org.qemu.Display1.Console. */
#ifndef SCANOUT_HOST_CONSOLE_H
#define SCANOUT_HOST_CONSOLE_H

#include <stdbool.h>
#include <sys/queue.h>
#include <systemd/sd-bus.h>

struct console {
	unsigned id;               // in QEMU's paths; says nothing about the head
	bool is_graphic;           // not a text console of QEMU's own
	char *device;              // the GPU's address, "pci/0000/02.0"
	unsigned head;             // of that GPU, from 0
	unsigned width, height;    // pixels, of the picture when this was read
	TAILQ_ENTRY(console) link; // console_list
};

TAILQ_HEAD(console_list, console); // console.link, by device and head

/* Reads the reply of GetAll. -EBADMSG if it describes no console. */
int console_read(sd_bus_message *reply, unsigned id, struct console **ret);
/* In its place. */
void console_insert(struct console_list *list, struct console *console);
void console_remove(struct console_list *list, struct console *console);
void console_list_clear(struct console_list *list);

/* HEAD, or DEVICE/HEAD where there are several GPUs; to be freed. */
int console_name(const struct console_list *list, const struct console *console, char **ret);
/*
 * Finds a scanout by HEAD or DEVICE/HEAD; for DEVICE its last part, "02.0", is enough. -ENXIO:
 * there is none; -ENOTUNIQ: several GPUs have this head; -EINVAL: no name of a scanout.
 */
int console_find(const struct console_list *list, const char *name, struct console **ret);
/* What to tell when console_find() fails: returns the error's name; ret_text is to be freed, and
 * NULL without memory. */
const char *console_explain(int r, const char *vm, const char *name, char **ret_text);

#endif
