/* Leases and pictures that the kernel kept while no daemon ran. */
#ifndef SCANOUTD_RESTORE_H
#define SCANOUTD_RESTORE_H

struct card;
struct manager;
struct scanout;
struct state_lease;
struct survey;

/* Enters what the first look at the card found. Takes over what it needs of that. */
void restore(struct manager *manager, struct card *card, struct survey *survey);
/* One of them: a picture that lingers, and goes on to. Takes over the fds of `found`. */
void restore_picture(struct scanout *scanout, struct state_lease *found);

#endif
