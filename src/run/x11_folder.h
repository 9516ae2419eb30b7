/* The folder of the X servers' sockets, which a system makes at boot and a container does not have.
 */
#ifndef SCANOUT_RUN_X11_FOLDER_H
#define SCANOUT_RUN_X11_FOLDER_H

/*
 * Makes those that do not exist, for everybody to write to. Mutter makes its own, with less by the
 * usual umask, and exits when it looks again. KWin makes none and goes on without X. Session
 * managers listen in the other, for which libICE makes no folder unless it is root.
 */
void x11_folder_make(void);

#endif
