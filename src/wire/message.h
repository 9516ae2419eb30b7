/*
 * What a VM and its host tell each other over the port org.scanoutd.host.0: JSON, one object a
 * line. Pure. Neither side believes the other: a message that was read has no text but plain ASCII,
 * and no number out of its range.
 */
#ifndef SCANOUT_WIRE_MESSAGE_H
#define SCANOUT_WIRE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

/* A reader of another version understands nothing of what comes after that hello. */
#define MESSAGE_VERSION 1
#define MESSAGE_MAX_HEAD 1023
#define MESSAGE_MAX_SIDE 16384 // pixels

/* Who has a scanout of the VM. */
struct tenant {
	char scanout[64];       // the VM's name for it, "card0-Virtual-3"
	char device[64];        // the GPU's address as QEMU tells it, "pci/0000/02.0"; may be empty
	unsigned head;          // of that GPU, from 0
	char label[65];         // of the lease; may be empty
	char container[129];    // may be empty
	unsigned width, height; // pixels, that the desktop is to have; 0 if unknown
};

enum message_type {
	MESSAGE_UNKNOWN, // of a later version; to be passed over
	MESSAGE_HELLO,   // by both: who is there. What was told before is void
	MESSAGE_GRANT,   // by the VM: this tenant, instead of another one of that scanout
	MESSAGE_END,     // by the VM: that scanout has none any more
	MESSAGE_READY,   // by the VM: since the hello, all tenants were told
};

struct message {
	enum message_type type;
	union {
		struct {
			unsigned version;
			char program[64];
		} hello;
		struct tenant grant;
		struct {
			char scanout[64];
			char reason[32]; // see ScanoutEnded in org.scanoutd.Scanout1(5); or empty
		} end;
		struct {
			bool daemon; // scanoutd runs; if not, tenants are those of when it did
		} ready;
	};
};

/*
 * Reads a line, without its newline. -EBADMSG: it is refused, and `ret_wrong` is what is wrong with
 * it: "JSON", or the name of a member. -ENOMEM.
 */
int message_read(const char *line, struct message *ret, const char **ret_wrong);

/*
 * Prints a line, with its newline; returns its length. -EINVAL if message_read() would refuse it.
 * -ENOMEM; -ENOBUFS, which LINES_MAX is enough to avoid.
 */
int message_print(const struct message *message, char *buffer, size_t size);

/* Whether a label can be told: it is empty, or of A-Z a-z 0-9 . _ : - and no folder's name. */
bool message_label_is_right(const char *label);

#endif
