/* Being told to stop, as something to poll. */
#ifndef GUEST_STOP_H
#define GUEST_STOP_H

/*
 * Blocks SIGTERM and SIGINT and returns an fd that is readable when one came, or a negative errno.
 * Blocked signals also reach the first process of a container, which default actions do not.
 */
int stop_open(void);

/*
 * Waits until stop_fd is readable, or standard input ends if it is a pipe or a socket: whoever
 * started the program is gone then.
 */
int stop_wait(int stop_fd);

#endif
