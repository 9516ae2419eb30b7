/* A text as a file that others may read at any time. */
#ifndef SCANOUT_CTL_TEXTFILE_H
#define SCANOUT_CTL_TEXTFILE_H

/* Writes it, and a newline, in place of what is there, with all folders that lead to it. Nobody
 * finds half of it. Returns a negative errno. */
int textfile_write(const char *path, const char *text);

#endif
