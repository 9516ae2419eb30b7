/* Switching a scanout off, on the card's worker. */
#ifndef SCANOUTD_BLANK_H
#define SCANOUTD_BLANK_H

struct scanout;

/*
 * Switches CRTC and planes off, drops the framebuffer of ours that was shown, and closes our copy
 * of the lease's file. `overdue` is called once if a modeset lock makes that wait, `done` at the
 * end with 0 or a negative errno. Returns 0, or a negative errno if it cannot begin.
 */
int blank_submit(struct scanout *scanout, void (*overdue)(struct scanout *scanout),
	void (*done)(struct scanout *scanout, int result));

#endif
