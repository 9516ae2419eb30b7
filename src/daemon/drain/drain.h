/*
 * What a scanout goes through from the end of its lease until it is free: the only place where its
 * phase changes.
 *
 *   FREE -> LEASED -> CHECKING -> STANDING -> BLANKING -> FREE
 *
 * A lease whose picture is not to be kept goes straight to BLANKING. SAVING, before the end of the
 * lease, is for a takeover, or for a picture that lingers when the process that asked has exited.
 */
#ifndef SCANOUTD_DRAIN_H
#define SCANOUTD_DRAIN_H

#include "daemon/model/scanout.h"

struct linger;
struct state_lease;

/* Nobody has it: free, absent or excluded, as it should be. */
void drain_settle(struct scanout *scanout);
/* Leased from now on. Takes over `linger`; NULL if its last picture goes with the lease. */
void drain_lease(struct scanout *scanout, struct linger *linger);

/* While the lease lives: makes its picture ours, SAVING; LOST if that cannot even begin. */
void drain_save(struct scanout *scanout);
/*
 * The lease has ended. The worker looks at the picture once more, since the holder may have shown
 * another until then. Then it stands, for the request that claims it or for as long as it is to
 * linger. What can neither be kept nor is wanted is blanked.
 */
void drain_hand_over(struct scanout *scanout);
/* The lease has ended, or somebody else drew on it: blanks it. It is free when nothing is shown. */
void drain_blank(struct scanout *scanout);
/* Ends the lingering, now or when it would begin. */
void drain_cut(struct scanout *scanout);
/* Tries a blanking again that failed. */
void drain_again(struct scanout *scanout);
/* The seat is back: does what had to wait for it. */
void drain_resume(struct scanout *scanout);

/* After a restart: the lingering of a lease or picture. Takes over the fds of `found`. Returns 0 or
 * a negative errno: then it will not linger. */
int drain_restore(struct scanout *scanout, struct state_lease *found);

/*
 * A request waits for the picture of this scanout, which is SAVING or CHECKING: nobody else gets
 * it. One that is claimed already stays so.
 */
void drain_claim(struct scanout *scanout, struct scanout_claim *claim);
/* It does not wait any more: the lease goes on, or the picture lingers or goes. */
void drain_abandon(struct scanout *scanout);

/* The card is gone: no request may claim it any more. */
void drain_unclaim(struct scanout *scanout);
/* Before it is freed. */
void drain_forget(struct scanout *scanout);

#endif
