/* The kernel's data about KMS cards for the doctor, from sysfs, debugfs and /proc. */
#ifndef SCANOUT_CTL_KMSCARD_H
#define SCANOUT_CTL_KMSCARD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct kmscard {
	unsigned int number; // of /dev/dri/cardN, its minor as well
	char driver[64];     // "" if unknown
	unsigned int outputs;
	unsigned int connected;
	bool has_node;
};

struct kmscard_opener {
	pid_t pid;
	char name[32];
};

/* Fills up to max cards in the order of their numbers; returns how many, or a negative errno. */
int kmscard_scan(struct kmscard *cards, size_t max);

/* Finds a virtio-gpu without a driver and writes its name, such as "virtio3". False if there is
 * none. */
bool kmscard_find_undriven(char *name, size_t size);

/*
 * Finds a running process that is the card's DRM master and is neither scanoutd nor a seat manager
 * that opens cards for others. 1 with *ret filled, 0 if there is none, negative errno without
 * debugfs.
 */
int kmscard_find_foreign_master(const struct kmscard *card, struct kmscard_opener *ret);

/* Finds any such process that has the card open, as far as /proc can be read. */
int kmscard_find_foreign_opener(const struct kmscard *card, struct kmscard_opener *ret);

#endif
